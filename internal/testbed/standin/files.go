package standin

import (
	"fmt"
	"mime"
	"net/http"
	"path"
)

// fileUploadAjax stores attachments on this server's disk.
func fileUploadAjax(s *Server, r *request) (response, error) {
	no, okNo := r.params.Number("data_no")
	id, okID := r.params.Number("data_id")
	if !okNo || !okID {
		return missing(r), nil
	}
	if err := s.engine.Attach(r.params.Text("flow_uuid"), no, id, r.files, r.user); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("上傳成功。"), nil), nil
}

// fileListAjax lists a ticket's attachments. It is a read that writes: what is
// not on this server's disk is marked deleted for all.
func fileListAjax(s *Server, r *request) (response, error) {
	no, _ := r.params.Number("data_no") // none there has no attachments
	files, err := s.engine.Files(r.params.Text("flow_uuid"), no)
	if err != nil {
		return response{}, err
	}
	list := []map[string]any{}
	for _, f := range files {
		list = append(list, map[string]any{
			"id": f.ID, "file": f.Path, "size": f.Size, "delete": f.Deleted,
			"createtime": f.Created.Format(timeFormat), "file_name": f.Name,
		})
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), list), nil
}

// downloadAjax streams a file. For one that is not here OMFLOW returns nothing,
// and Django makes an error page of that.
func downloadAjax(s *Server, r *request) (response, error) {
	f, err := s.engine.OpenUpload(r.arg)
	if err != nil {
		return response{}, fmt.Errorf("view downloadHistoryFilesAjax returned no answer: %w", err)
	}
	return response{
		code: http.StatusOK, kind: "application/octet-stream", stream: f,
		headers: [][2]string{{
			"Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": path.Base(r.arg)}),
		}},
	}, nil
}
