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
)

// Upload is a file as a client sent it.
type Upload struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// SaveTemp stores the files that come with a new ticket and returns their
// folder's name. The name is the flow and the second: two creates of one flow in
// one second share a folder, and the ticket that is run first gets the files of
// both.
func (e *Engine) SaveTemp(uuid string, files []Upload) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	if !uuidPattern.MatchString(uuid) {
		return "", Refusal("'NoneType' object has no attribute 'is_active'")
	}
	temp := fmt.Sprintf("%s_%d", uuid, time.Now().Unix())
	for _, f := range files {
		if _, err := e.store(path.Join(tempDir, temp), f); err != nil {
			return "", err
		}
	}
	return temp, nil
}

// adoptTemp moves the files of a temporary folder to the ticket. What is gone is
// another ticket's now.
func (e *Engine) adoptTemp(db database.Queries, item database.QueueItem) error {
	temp := path.Join(tempDir, item.Temp)
	entries, err := fs.ReadDir(e.home.FS(), temp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing temporary files: %w", err)
	}
	dir := ticketDir(item.FlowUUID, item.DataNo, item.DataID)
	if err := e.home.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
		return fmt.Errorf("creating the ticket's folder: %w", err)
	}
	for _, entry := range entries {
		from, to := path.Join(temp, entry.Name()), path.Join(dir, entry.Name())
		info, err := entry.Info()
		if err == nil {
			err = e.home.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("moving a temporary file: %w", err)
		}
		if _, err := db.AddFile(fileRow(item.FlowUUID, item.DataNo, item.DataID, to, info.Size(), item.User)); err != nil {
			return fmt.Errorf("recording an attachment: %w", err)
		}
	}
	return e.home.RemoveAll(filepath.FromSlash(temp))
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
	dir := ticketDir(uuid, dataNo, dataID)
	for _, f := range files {
		name := baseName(f.Name)
		for _, o := range old {
			if o.Name == name && o.DataID == dataID {
				if err := e.db.DeleteFile(o.ID); err != nil {
					return fmt.Errorf("replacing an attachment: %w", err)
				}
			}
		}
		size, err := e.store(dir, f)
		if err != nil {
			return err
		}
		if _, err := e.db.AddFile(fileRow(uuid, dataNo, dataID, path.Join(dir, name), size, user)); err != nil {
			return fmt.Errorf("recording an attachment: %w", err)
		}
	}
	return nil
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

func (e *Engine) store(dir string, u Upload) (int64, error) {
	in, err := u.Open()
	if err != nil {
		return 0, fmt.Errorf("reading an upload: %w", err)
	}
	defer in.Close()
	out, err := e.createIn(dir, baseName(u.Name))
	if err != nil {
		return 0, fmt.Errorf("creating an upload: %w", err)
	}
	n, err := io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, fmt.Errorf("writing an upload: %w", err)
	}
	return n, nil
}

// createIn makes a file and its folder. A temporary folder may be taken away by
// another ticket between the two, so that is tried again.
func (e *Engine) createIn(dir, name string) (*os.File, error) {
	const tries = 5
	for try := 1; ; try++ {
		if err := e.home.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			return nil, err
		}
		f, err := e.home.Create(filepath.FromSlash(path.Join(dir, name)))
		if !errors.Is(err, fs.ErrNotExist) || try == tries {
			return f, err
		}
	}
}

func ticketDir(uuid string, dataNo, dataID int) string {
	return path.Join(filesDir, uuid, fmt.Sprint(dataNo), fmt.Sprint(dataID))
}

func fileRow(uuid string, dataNo, dataID int, name string, size int64, user string) database.File {
	return database.File{
		FlowUUID: uuid, DataNo: dataNo, DataID: dataID, Path: strings.TrimPrefix(name, uploadsDir+"/"),
		Name: path.Base(name), Size: size, User: user, Created: time.Now(),
	}
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
