package front

import (
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// flowNaming is how a flow was named.
type flowNaming uint8

const (
	// flowUnknown may be any flow.
	flowUnknown flowNaming = iota
	flowByPath
	flowByUUID

	flowNamings = int(flowByUUID) + 1
)

// flowName names a flow. Two that differ name surely two flows if both are named by
// path or both by UUID; a path and a UUID may name the same.
type flowName struct {
	by   flowNaming
	name string
}

const (
	// flowLook is the largest form that is read to find its flow, in bytes. What is
	// larger may be for any flow: only a form that was read to its end has surely no
	// second field of the same name, of which OMFLOW would take the last.
	flowLook = 8 << 20
	// flowParts is how many parts of a form are read. Django refuses forms of more
	// than 1,000 fields (DATA_UPLOAD_MAX_NUMBER_FIELDS).
	flowParts = 1000
	// flowLength is the longest name of a flow, in bytes.
	flowLength = 255
)

// flowOf finds the flow that a create with a multipart body is for.
func flowOf(table *omflow.Table, r *omflow.Request, body *proxy.Body) flowName {
	name, place := table.FlowOf(r.Path)
	form := flowForm{}
	switch {
	case place == omflow.FlowInPath && plainName(name):
		return flowName{flowByPath, name}
	case place == omflow.FlowInService && form.read(r.ContentType, body) && form.apiPath != "":
		return flowName{flowByPath, form.apiPath}
	case place == omflow.FlowInBody && form.read(r.ContentType, body) && form.flowUUID != "" && !form.byNames:
		// OMFLOW takes a UUID in one spelling only; to be careful, all count as one.
		return flowName{flowByUUID, strings.ToLower(strings.ReplaceAll(form.flowUUID, "-", ""))}
	}
	return flowName{}
}

// plainName reports whether a name is one that no two programs read differently.
func plainName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > flowLength || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == '\\' || r == ';' || r == '?' || r == '#' || r == '%' || !unicode.IsPrint(r) || r == ' '
	})
}

// flowForm is the fields of a form that name a flow.
type flowForm struct {
	flowUUID, apiPath string
	byNames           bool
}

// read reads a multipart form to its end. It reports false when it can't be understood
// for sure.
func (f *flowForm) read(contentType string, body *proxy.Body) bool {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" || body.Size() > flowLook {
		return false
	}
	form := multipart.NewReader(body.Reader(), params["boundary"])
	for range flowParts {
		part, err := form.NextRawPart()
		if err == io.EOF {
			return true
		}
		if err != nil || !f.field(part) {
			return false
		}
	}
	return false
}

// field takes a part of the form into account. It reports false when it can't be
// understood for sure.
func (f *flowForm) field(part *multipart.Part) bool {
	// Django decodes base64.
	if part.FormName() == "" || len(part.Header["Content-Disposition"]) != 1 || part.Header.Get("Content-Transfer-Encoding") != "" {
		return false
	}
	var value *string
	switch part.FormName() {
	case "app_name", "flow_name":
		f.byNames = true
		return true
	case "flow_uuid":
		value = &f.flowUUID
	case "api_path":
		value = &f.apiPath
	default:
		return true
	}
	_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if _, file := disposition["filename"]; err != nil || file {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(part, flowLength+1))
	if err != nil || *value != "" || !plainName(string(text)) {
		return false
	}
	*value = string(text)
	return true
}

// multipartBody reports whether the body is a multipart one, the only kind that carries
// files.
func multipartBody(contentType string) bool {
	const prefix = "multipart/"
	contentType = strings.TrimLeft(contentType, " \t")
	return len(contentType) >= len(prefix) && strings.EqualFold(contentType[:len(prefix)], prefix)
}
