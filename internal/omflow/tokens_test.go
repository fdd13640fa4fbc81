package omflow

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestIsTokenRequest(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		want         bool
	}{
		{"POST", "/accounts/api/security/get/", true},
		{"GET", "/accounts/api/security/get/", true},
		{"POST", "/accounts/api/security/get", true},
		{"POST", "/accounts/%61pi/security/get/", true},
		{"HEAD", "/accounts/api/security/get/", false},
		{"PUT", "/accounts/api/security/get/", false},
		{"POST", "/accounts%2fapi/security/get/", false},
		{"POST", "/accounts//api/security/get/", false},
		{"POST", "/accounts/api/security/get/x/", false},
		{"POST", "/rest/accounts/api/security/get/", false},
		{"POST", "/accounts/api/agree/get/", false},
		{"POST", "", false},
	} {
		if got := builtInTable.IsTokenRequest(&Request{Method: tt.method, Path: tt.path}); got != tt.want {
			t.Errorf("%s %s: %v", tt.method, tt.path, got)
		}
	}
}

func TestTokenAnswer(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"status": 200, "message": "\u53d6\u5f97\u6210\u529f\u3002", "result": {"security": "` + aToken + `"}}`, aToken},
		{`{"status":"200","message":"","result":{"x":1,"security":"` + strings.ToUpper(aToken) + `"}}`, strings.ToUpper(aToken)},
		{`{"status":403,"message":"","result":{"security":"` + aToken + `"}}`, ""},
		{`{"status":403,"message":"使用者不存在或未啟用。","result":null}`, ""},
		{`{"status":200,"message":"","result":{"security":"` + aToken[1:] + `"}}`, ""},
		{`{"status":200,"message":"","result":{"security":"` + aToken[1:] + `g"}}`, ""},
		{`{"status":200,"message":"","result":{"security":"` + strings.ReplaceAll(aToken, "-", "0") + `"}}`, ""},
		{`{"status":200,"message":"","result":{"security":null}}`, ""},
		{`{"status":200,"message":"","result":{}}`, ""},
		{`{"status":200,"message":"","result":"` + aToken + `"}`, ""},
		{`{"status":200,"message":"","result":null}`, ""},
		{`{"status":200,"message":"","security":"` + aToken + `"}`, ""},
		{`{"status":200,"message":"","result":{"security":"` + aToken + `"}`, ""},
		{`<html>` + aToken, ""},
		{``, ""},
	} {
		if got, ok := builtInTable.TokenAnswer([]byte(tt.body)); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.body, got, ok)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	const (
		none = iota
		wrong
		expired
	)
	for _, tt := range []struct {
		message string
		want    int
	}{
		{"安全碼錯誤，請確認安全碼或重新取得新的安全碼。", wrong},
		{"The security code is wrong. Please confirm the security code or obtain a new security code.", wrong},
		{"コードが間違っています。コードを確認してください。または，新しいコードを入手してください。", wrong},
		{"安全码错误，请确认安全码或重新取得新的安全码。", wrong},
		{"安全碼過期，請重新取得新的安全碼。", expired},
		{"The security code has expired. Please obtain a new security code.", expired},
		{"コードの有効期限が切れています。新しいコードを入手してください。", expired},
		{"安全码过期，请重新取得新的安全码。", expired},
		{"缺少安全碼。", none},
		{"缺少參數：omflow_restapi", none},
		{"您沒有權限進行此操作。", none},
		{"安全碼錯誤，請確認安全碼或重新取得新的安全碼", none},
		{"安全碼錯誤，請確認安全碼或重新取得新的安全碼。x", none},
		{"", none},
	} {
		for _, status := range []int{http.StatusForbidden, http.StatusOK} {
			for _, result := range []string{"null", "1", `"null"`} {
				plain, err := json.Marshal(tt.message)
				if err != nil {
					t.Fatal(err)
				}
				for _, message := range []string{string(plain), escaped(tt.message)} {
					body := []byte(`{"status": ` + map[int]string{403: "403", 200: "200"}[status] + `, "message": ` + message + `, "result": ` + result + `}`)
					want := tt.want
					if status != http.StatusForbidden || result != "null" {
						want = none
					}
					if got := builtInTable.TokenRefused(body); got != (want == wrong) {
						t.Errorf("%s: wrong is %v", body, got)
					}
					if got := builtInTable.TokenExpired(body); got != (want == expired) {
						t.Errorf("%s: expired is %v", body, got)
					}
					if builtInTable.TokenRefused(body[:len(body)-1]) || builtInTable.TokenExpired(body[:len(body)-1]) {
						t.Errorf("%s counts when it is broken off", body)
					}
					if n := testing.AllocsPerRun(10, func() { builtInTable.TokenRefused(body) }); n > 0 {
						t.Errorf("%v allocations", n)
					}
				}
			}
		}
	}
	long := `{"status":403,"message":"The security code is wrong. Please confirm the security code or obtain a new security code.","result":null` + strings.Repeat(" ", maxShortAnswer) + `}`
	if builtInTable.TokenRefused([]byte(long)) {
		t.Error("a long answer is read to its end")
	}
}

// escaped writes text as Python does, in ASCII.
func escaped(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		const digits = "0123456789abcdef"
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(digits[r>>shift&15])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// FuzzTokenAnswers holds that an answer counts only for what any JSON parser reads.
func FuzzTokenAnswers(f *testing.F) {
	f.Add([]byte(`{"status":200,"message":"","result":{"security":"` + aToken + `"}}`))
	f.Add([]byte(`{"status":403,"message":` + escaped("安全碼錯誤，請確認安全碼或重新取得新的安全碼。") + `,"result":null}`))
	f.Add([]byte(`{"status":403,"message":"コードの有効期限が切れています。新しいコードを入手してください。","result":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		token, issued := builtInTable.TokenAnswer(body)
		wrong, expired := builtInTable.TokenRefused(body), builtInTable.TokenExpired(body)
		if !issued && !wrong && !expired {
			return
		}
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if issued {
			result := map[string]json.RawMessage{}
			var security string
			if json.Unmarshal(members["result"], &result) != nil || json.Unmarshal(result["security"], &security) != nil || security != token || len(token) != 36 {
				t.Fatalf("%q issues %q", body, token)
			}
			return
		}
		var message string
		if json.Unmarshal(members["message"], &message) != nil || wrong == expired {
			t.Fatalf("%q: %v, %v", body, wrong, expired)
		}
		known := builtInTable.expired
		if wrong {
			known = builtInTable.wrong
		}
		for _, m := range known {
			if m == message {
				return
			}
		}
		t.Fatalf("%q is taken for a refusal", message)
	})
}
