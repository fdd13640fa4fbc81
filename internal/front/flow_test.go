package front

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// form makes a multipart body of fields, given as name, value, …; a name that begins
// with "@" is a file's.
func form(t testing.TB, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		name, isFile := strings.CutPrefix(fields[i], "@")
		disposition := fmt.Sprintf("form-data; name=%q", name)
		if isFile {
			disposition += `; filename="a.txt"`
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(fields[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func body(t testing.TB, text string) *proxy.Body {
	t.Helper()
	b, err := proxy.ReadBody(strings.NewReader(text), int64(len(text)), 64<<20, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestFlowOf(t *testing.T) {
	table := omflow.DefaultTable()
	const uuid = "0123456789abcdef0123456789ABCDEF"
	lower := byUUID(strings.ToLower(uuid))
	many := make([]string, 0, 2*(flowParts+1))
	for range flowParts {
		many = append(many, "x", "")
	}
	for _, tt := range []struct {
		path   string
		fields []string
		want   flowName
	}{
		{"/rest/flowmanage/api/omdata/edit/mission/", nil, byPath("mission")},
		{"/rest/flowmanage/api/omdata/edit/mission", nil, byPath("mission")},
		{"/flowmanage/api/omdata/edit/mission/", []string{"flow_uuid", uuid}, byPath("mission")}, // the path counts
		{"/rest/flowmanage/api/omdata/edit/%E4%BB%BB%E5%8B%99/", nil, byPath("任務")},
		{"/rest/flowmanage/api/omdata/edit/%6dission/", nil, byPath("mission")},
		{"/rest/flowmanage/api/omdata/edit/a%2Fb/", nil, flowName{}},
		{"/rest/flowmanage/api/omdata/edit/a%252Fb/", nil, flowName{}},
		{"/rest/flowmanage/api/omdata/edit/../edit/a/", nil, flowName{}},
		{"/rest/flowmanage/api/omdata/edit//", nil, flowName{}},
		{"/rest//flowmanage/api/omdata/edit/a/", nil, flowName{}},
		{"/rest/flowmanage/api/omdata/edit/" + strings.Repeat("a", flowLength+1) + "/", nil, flowName{}},
		{"/announcement/api/messages/create/", []string{"flow_uuid", uuid}, flowName{}},

		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", uuid, "@files", "text"}, lower},
		{"/rest/flowmanage/api/omdata/edit/None/", []string{"@files", "text", "flow_uuid", uuid}, lower},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", "01234567-89ab-cdef-0123-456789abcdef"}, lower},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", uuid, "flow_uuid", "2"}, flowName{}}, // the last would count
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", uuid, "app_name", "a", "flow_name", "b"}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"@flow_uuid", uuid}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"@files", "text"}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", ""}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", "a\x00b"}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", strings.Repeat("a", flowLength+1)}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", uuid, "@files", strings.Repeat("x", 2<<20)}, lower},
		{"/flowmanage/api/omdata/edit/None/", []string{"flow_uuid", uuid, "@files", strings.Repeat("x", flowLook)}, flowName{}},
		{"/flowmanage/api/omdata/edit/None/", append(many, "flow_uuid", uuid), flowName{}},

		{"/service/api/request/", []string{"api_path", "mission", "service_id", "1", "@files", "text"}, byPath("mission")},
		{"/rest/service/api/request/", []string{"api_path", "mission"}, byPath("mission")},
		{"/service/api/request/", []string{"flow_uuid", uuid}, flowName{}},
	} {
		contentType, text := form(t, tt.fields...)
		got := flowOf(table, &omflow.Request{Method: "POST", Path: tt.path, ContentType: contentType}, body(t, text))
		if got != tt.want {
			t.Errorf("%.80s %.60v: %v, want %v", tt.path, tt.fields, got, tt.want)
		}
	}
	contentType, text := form(t, "flow_uuid", uuid)
	for name, r := range map[string][2]string{
		"no boundary":       {"multipart/form-data", text},
		"another boundary":  {"multipart/form-data; boundary=x", text},
		"cut off":           {contentType, text[:len(text)-10]},
		"a base64 part":     {contentType, strings.Replace(text, "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)},
		"a part, no name":   {contentType, strings.Replace(text, `name="flow_uuid"`, `name=flow uuid`, 1)},
		"two names of one":  {contentType, strings.Replace(text, `name="flow_uuid"`, `name="flow_uuid"; name="x"`, 1)},
		"an empty filename": {contentType, strings.Replace(text, `name="flow_uuid"`, `name="flow_uuid"; filename=""`, 1)},
		"no body":           {contentType, ""},
	} {
		got := flowOf(table, &omflow.Request{Method: "POST", Path: "/flowmanage/api/omdata/edit/None/", ContentType: r[0]}, body(t, r[1]))
		if got != (flowName{}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzFlowOf(f *testing.F) {
	contentType, text := form(f, "flow_uuid", "0123456789abcdef", "@files", "text")
	f.Add("/flowmanage/api/omdata/edit/None/", contentType, text)
	f.Add("/service/api/request/", contentType, strings.ReplaceAll(text, "flow_uuid", "api_path"))
	f.Add("/rest/flowmanage/api/omdata/edit/%E4%BB%BB/", "multipart/x; boundary=a", "--a\r\n\r\n--a--")
	table := omflow.DefaultTable()
	f.Fuzz(func(t *testing.T, path, contentType, text string) {
		b, err := proxy.ReadBody(strings.NewReader(text), int64(len(text)), 64<<20, "")
		if err != nil {
			t.Skip()
		}
		defer b.Close()
		got := flowOf(table, &omflow.Request{Method: "POST", Path: path, ContentType: contentType}, b)
		if (got.by == flowUnknown) != (got.name == "") {
			t.Errorf("%v", got)
		}
		if got.by == flowUnknown {
			return
		}
		if !plainName(got.name) {
			t.Errorf("took %q", got.name)
		}
		// What it was found in holds the name, in some spelling.
		if got.by == flowByUUID && !strings.Contains(text, "flow_uuid") {
			t.Errorf("%v from %q", got, text)
		}
	})
}
