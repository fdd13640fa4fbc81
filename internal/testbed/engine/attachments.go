package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/django"
)

// Upload is a file as a client sent it.
type Upload struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// saveTemp stores the files that come with a new ticket and returns their mapping:
// the flow and the second. Two creates of one flow in one second share it.
func (e *Engine) saveTemp(uuid string, files []Upload) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	mapping := fmt.Sprintf("%s_%d", uuid, time.Now().Unix())
	for _, u := range files {
		name, size, err := e.store(path.Join(tempDir, mapping), u)
		if err != nil {
			return "", err
		}
		if err := e.db.AddTempFile(database.TempFile{
			Mapping: mapping, Path: strings.TrimPrefix(name, uploadsDir+"/"), Name: baseName(u.Name), Size: size,
		}); err != nil {
			return "", fmt.Errorf("recording a temporary file: %w", err)
		}
	}
	return mapping, nil
}

// adoptTemp gives the ticket all files of a mapping, those that came with another
// create too. One that lies on another server's disk is an error, and then the
// ticket has none.
func (e *Engine) adoptTemp(db database.Queries, mapping string, item database.QueueItem) error {
	files, err := db.TempFiles(mapping)
	if err != nil {
		return fmt.Errorf("reading temporary files: %w", err)
	}
	var uploads []Upload
	for _, f := range files {
		name := filepath.FromSlash(path.Join(uploadsDir, f.Path))
		if _, err := e.home.Stat(name); err != nil {
			return fmt.Errorf("reading a temporary file: %w", err)
		}
		uploads = append(uploads, Upload{Name: f.Name, Open: func() (io.ReadCloser, error) { return e.home.Open(name) }})
	}
	if err := e.attach(db, item, uploads); err != nil {
		return err
	}
	return e.dropTemp(db, mapping)
}

// attach stores files with the ticket of an item of the flow queue.
func (e *Engine) attach(db database.Queries, item database.QueueItem, files []Upload) error {
	dir := ticketDir(item.FlowUUID, item.DataNo, item.DataID)
	for _, u := range files {
		name, size, err := e.store(dir, u)
		if err != nil {
			return err
		}
		if _, err := db.AddFile(database.File{
			FlowUUID: item.FlowUUID, DataNo: item.DataNo, DataID: item.DataID,
			Path: strings.TrimPrefix(name, uploadsDir+"/"), Name: baseName(u.Name), Size: size,
			User: item.User, Created: time.Now(),
		}); err != nil {
			return fmt.Errorf("recording an attachment: %w", err)
		}
	}
	return nil
}

// dropTemp forgets a mapping, and removes what is left of it on this disk. The
// folder stays, as OMFLOW leaves it.
func (e *Engine) dropTemp(db database.Queries, mapping string) error {
	files, err := db.DeleteTempFiles(mapping)
	if err != nil {
		return fmt.Errorf("forgetting temporary files: %w", err)
	}
	for _, f := range files {
		err := e.home.Remove(filepath.FromSlash(path.Join(uploadsDir, f.Path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a temporary file: %w", err)
		}
	}
	return nil
}

// Attach stores files with a ticket. A file of a name that is there already
// replaces it.
func (e *Engine) Attach(uuid string, dataNo, dataID int, files []Upload, user string) error {
	if !uuidPattern.MatchString(uuid) {
		return Refusal("找不到流程。")
	}
	old, err := e.db.TicketFiles(uuid, dataNo)
	if err != nil {
		return fmt.Errorf("reading attachments: %w", err)
	}
	for _, f := range files {
		for _, o := range old {
			if o.Name != baseName(f.Name) || o.DataID != dataID {
				continue
			}
			err := e.home.Remove(filepath.FromSlash(path.Join(uploadsDir, o.Path)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("replacing an attachment: %w", err)
			}
			if err := e.db.DeleteFile(o.ID); err != nil {
				return fmt.Errorf("replacing an attachment: %w", err)
			}
		}
	}
	return e.attach(e.db, database.QueueItem{FlowUUID: uuid, DataNo: dataNo, DataID: dataID, User: user}, files)
}

// Files lists a ticket's attachments, the newest of each name. Those whose bytes
// are not on this server's disk are marked deleted in the database, for all
// servers and for good: OMFLOW takes it that somebody removed them.
func (e *Engine) Files(uuid string, dataNo int) ([]database.File, error) {
	all, err := e.db.TicketFiles(uuid, dataNo)
	if err != nil {
		return nil, fmt.Errorf("reading attachments: %w", err)
	}
	var (
		gone []int
		list = []database.File{}
		seen = map[string]bool{}
	)
	for _, f := range all {
		if _, err := e.home.Stat(filepath.FromSlash(path.Join(uploadsDir, f.Path))); err != nil && !f.Deleted {
			f.Deleted = true
			gone = append(gone, f.ID)
		}
		if !seen[f.Name] {
			seen[f.Name] = true
			list = append(list, f)
		}
	}
	if len(gone) > 0 {
		if err := e.db.MarkFilesDeleted(gone); err != nil {
			return nil, fmt.Errorf("marking attachments deleted: %w", err)
		}
	}
	return list, nil
}

// OpenUpload opens a file by its path below the uploads folder. As in OMFLOW the
// path may climb out of that folder; here it can't leave the home folder.
func (e *Engine) OpenUpload(name string) (*os.File, error) {
	f, err := e.home.Open(filepath.FromSlash(path.Join(uploadsDir, name)))
	if err != nil {
		return nil, fmt.Errorf("opening an upload: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening an upload: %w", err)
	}
	return f, nil
}

func (e *Engine) removeFiles(uuid string, dataNo int) error {
	files, err := e.db.TicketFiles(uuid, dataNo)
	if err != nil {
		return fmt.Errorf("reading attachments: %w", err)
	}
	for _, f := range files {
		err := e.home.Remove(filepath.FromSlash(path.Join(uploadsDir, f.Path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an attachment: %w", err)
		}
		if err := e.db.DeleteFile(f.ID); err != nil {
			return fmt.Errorf("removing an attachment: %w", err)
		}
	}
	return nil
}

// store writes an upload to a new file and returns its path, which is another than
// asked for when that name is taken.
func (e *Engine) store(dir string, u Upload) (string, int64, error) {
	in, err := u.Open()
	if err != nil {
		return "", 0, fmt.Errorf("reading an upload: %w", err)
	}
	defer in.Close()
	if err := e.home.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
		return "", 0, fmt.Errorf("creating an upload's folder: %w", err)
	}
	var out *os.File
	name := path.Join(dir, baseName(u.Name))
	for out == nil {
		out, err = e.home.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			name = e.freeName(dir, baseName(u.Name))
			continue
		}
		if err != nil {
			return "", 0, fmt.Errorf("creating an upload: %w", err)
		}
	}
	n, err := io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", 0, fmt.Errorf("writing an upload: %w", err)
	}
	return name, n, nil
}

// freeName is a path for a new file. A name that is taken gets seven random
// characters, as Django gives them.
func (e *Engine) freeName(dir, name string) string {
	to := path.Join(dir, name)
	for {
		if _, err := e.home.Lstat(filepath.FromSlash(to)); err != nil {
			return to
		}
		ext := path.Ext(name)
		to = path.Join(dir, strings.TrimSuffix(name, ext)+"_"+django.RandomLetters(7)+ext)
	}
}

func ticketDir(uuid string, dataNo, dataID int) string {
	return path.Join(filesDir, uuid, fmt.Sprint(dataNo), fmt.Sprint(dataID))
}

// baseName makes a file name of what a client sent.
func baseName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name)
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}
