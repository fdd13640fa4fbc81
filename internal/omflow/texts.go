package omflow

import (
	"cmp"
	"sync"

	"github.com/omflow/booster/internal/omflow/profile"
)

// builtIn are the answers of OMFLOW 1.1.0.0's profile, for texts that another lacks.
var builtIn = sync.OnceValue(func() profile.Answers { return profile.Default().Answers })

// textsOf returns a profile's texts by reason and language.
func textsOf(a *profile.Answers) (texts [reasons][languages]profile.Text) {
	fallback := builtIn()
	own, other := byReason(a), byReason(&fallback)
	for reason := range texts {
		for lang := range languages {
			t, f := inLanguage(own[reason], language(lang)), inLanguage(other[reason], language(lang))
			texts[reason][lang] = profile.Text{Title: cmp.Or(t.Title, f.Title), Message: cmp.Or(t.Message, f.Message)}
		}
	}
	return texts
}

func byReason(a *profile.Answers) [reasons]*profile.Texts {
	return [reasons]*profile.Texts{
		QueueFull: &a.QueueFull, WaitedTooLong: &a.WaitedTooLong, NoServer: &a.NoServer, Maintenance: &a.Maintenance,
		Unreachable: &a.Unreachable, OutcomeUnknown: &a.OutcomeUnknown, ServerTimeout: &a.ServerTimeout,
		BadAnswer: &a.BadAnswer, BodyTooLarge: &a.BodyTooLarge, BadRequest: &a.BadRequest, Forbidden: &a.Forbidden,
		NotCreated: &a.NotCreated,
	}
}

func inLanguage(t *profile.Texts, l language) profile.Text {
	switch l {
	case english:
		return t.English
	case japanese:
		return t.Japanese
	case simplifiedChinese:
		return t.SimplifiedChinese
	default:
		return t.TraditionalChinese
	}
}

// labels are the words around a failure's text on the page.
type labels struct {
	requestID, refreshes, again string
}

var pageLabels = [languages]labels{
	traditionalChinese: {"請求編號", "本頁會自動重新整理。", "立即重試"},
	english:            {"Request ID", "This page refreshes by itself.", "Try again now"},
	japanese:           {"リクエストID", "このページは自動的に再読み込みされます。", "今すぐ再試行"},
	simplifiedChinese:  {"请求编号", "本页会自动刷新。", "立即重试"},
}
