package testbed

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
)

type attachment struct {
	File     string `json:"file"`
	FileName string `json:"file_name"`
	Delete   bool   `json:"delete"`
}

func attachments(t *testing.T, cl *client.Client, number int) []attachment {
	t.Helper()
	a := must(t)(cl.Post(t.Context(), "/flowmanage/api/omdata-file/list/",
		map[string]any{"flow_uuid": engine.MissionUUID, "data_no": number}))
	expect(t, a, 200, "Read successfully.")
	var list []attachment
	if err := json.Unmarshal(a.Result, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFileListMarksDeletedWhereTheFileIsNot(t *testing.T) {
	c := newCluster(t, 2, 0)
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	a := must(t)(cl.OpenWithFiles(t.Context(), engine.MissionUUID, "files", client.File{Name: `C:\notes\a.txt`, Data: []byte("contents")}))
	expect(t, a, 200, "Create")
	observe.Eventually(t, "attachment moved to its ticket", func() bool { return len(attachments(t, cl, 1)) == 1 })
	got := attachments(t, cl, 1)[0]
	want := attachment{File: "omformflow/" + engine.MissionUUID + "/1/1/a.txt", FileName: "a.txt"}
	if got != want {
		t.Fatalf("attachment %+v, want %+v", got, want)
	}
	down := must(t)(cl.Get(t.Context(), "/api/history-files/download/"+got.File))
	if down.Code != 200 || string(down.Body) != "contents" || down.Header.Get("Content-Length") != "" {
		t.Errorf("download: HTTP %d, %q, Content-Length %q", down.Code, down.Body, down.Header.Get("Content-Length"))
	}

	second := moved(t, cl, c, 1)
	if down := must(t)(second.Get(t.Context(), "/api/history-files/download/"+got.File)); down.Code != 500 {
		t.Errorf("download from the server without the file: HTTP %d, want 500", down.Code)
	}
	if l := attachments(t, cl, 1); l[0].Delete {
		t.Error("the download marked the file deleted")
	}
	if l := attachments(t, second, 1); !l[0].Delete {
		t.Error("the list on the server without the file did not mark it deleted")
	}
	if l := attachments(t, cl, 1); !l[0].Delete {
		t.Error("the mark is not there on the server that has the file")
	}
	// Uploading it again brings it back.
	expect(t, must(t)(cl.PostFiles(t.Context(), "/flowmanage/api/omdata-file/upload/",
		map[string]string{"flow_uuid": engine.MissionUUID, "data_no": "1", "data_id": "1"},
		client.File{Name: "a.txt", Data: []byte("new")})), 200, "Uploaded successfully.")
	if l := attachments(t, cl, 1); len(l) != 1 || l[0].Delete {
		t.Errorf("after another upload: %+v", l)
	}
}

func TestDownloadLeavesUploadsButNotHome(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	get := func(path string) client.Answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.Servers[0].URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = "/api/history-files/download/" + path
		return must(t)(cl.Do(req))
	}
	// OMFLOW's hole, which a front door has to close.
	if a := get("../omflow/settings.py"); a.Code != 200 || !strings.Contains(string(a.Body), "SECRET_KEY") {
		t.Errorf("settings.py: HTTP %d", a.Code)
	}
	for _, path := range []string{"../../etc/passwd", "/etc/hostname", "../../../../../../etc/hostname", "..", ""} {
		if a := get(path); a.Code == 200 {
			t.Errorf("%s was served", path)
		}
	}
}

func TestUploadNeedsNumbers(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	for _, fields := range []map[string]string{
		{"flow_uuid": engine.MissionUUID, "data_no": "../..", "data_id": "1"},
		{"flow_uuid": "../../x", "data_no": "1", "data_id": "1"},
	} {
		a := must(t)(cl.PostFiles(t.Context(), "/flowmanage/api/omdata-file/upload/", fields, client.File{Name: "x", Data: []byte("x")}))
		if a.Status != 404 {
			t.Errorf("%v: status %d %s", fields, a.Status, a.Message)
		}
	}
}
