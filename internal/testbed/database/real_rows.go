package database

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
)

// Kinds of rows that nobody but stand-ins reads.
const (
	kindUser      = "user"
	kindSession   = "session"
	kindSetting   = "setting"
	kindWorkspace = "workspace"
	kindApp       = "app"
	kindFile      = "file"
	kindTempFile  = "temp file"
	kindParameter = "parameter"
	kindService   = "service"
)

func (r realCalls) put(kind, key string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.exec("INSERT INTO standin_rows (kind, key, value) VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
		kind, key, string(text))
}

// find reads a row into v; none leaves it as it is.
func (r realCalls) find(kind, key string, v any) (bool, error) {
	var text string
	ok, err := r.one([]any{&text}, "SELECT value FROM standin_rows WHERE kind = $1 AND key = $2", kind, key)
	if err != nil || !ok {
		return false, err
	}
	return true, json.Unmarshal([]byte(text), v)
}

func (r realCalls) drop(kind, key string) error {
	return r.exec("DELETE FROM standin_rows WHERE kind = $1 AND key = $2", kind, key)
}

// list appends the rows of a kind to out, in no particular order.
func list[V any](r realCalls, kind string, out *[]V) error {
	var text string
	return r.each([]any{&text}, func() error {
		var v V
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return err
		}
		*out = append(*out, v)
		return nil
	}, "SELECT value FROM standin_rows WHERE kind = $1", kind)
}

func (r realCalls) User(name string, out *User) error {
	_, err := r.find(kindUser, name, out)
	return err
}

func (r realCalls) SaveUser(u User, _ *None) error {
	return r.alone(func(r realCalls) error {
		var old User
		ok, err := r.find(kindUser, u.Name, &old)
		if u.ID = old.ID; err == nil && !ok {
			u.ID, err = r.nextID()
		}
		if err != nil {
			return err
		}
		return r.put(kindUser, u.Name, u)
	})
}

func (r realCalls) Session(key string, out *Session) error {
	_, err := r.find(kindSession, key, out)
	return err
}

func (r realCalls) Sessions(_ None, out *[]Session) error { return list(r, kindSession, out) }

func (r realCalls) InsertSession(v Session, _ *None) error { return r.put(kindSession, v.Key, v) }

func (r realCalls) UpdateSession(v Session, found *bool) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	n, err := r.changed("UPDATE standin_rows SET value = $3 WHERE kind = $1 AND key = $2", kindSession, v.Key, string(text))
	*found = n > 0
	return err
}

func (r realCalls) DeleteSession(key string, _ *None) error { return r.drop(kindSession, key) }

func (r realCalls) Setting(name string, out *Setting) (err error) {
	out.Name = name
	out.Found, err = r.find(kindSetting, name, &out.Value)
	return err
}

func (r realCalls) SaveSetting(v Setting, _ *None) error { return r.put(kindSetting, v.Name, v.Value) }

func (r realCalls) Workspace(id int, out *Workspace) error {
	_, err := r.find(kindWorkspace, strconv.Itoa(id), out)
	return err
}

func (r realCalls) Workspaces(_ None, out *[]Workspace) error {
	err := list(r, kindWorkspace, out)
	slices.SortFunc(*out, func(a, b Workspace) int { return cmp.Compare(a.ID, b.ID) })
	return err
}

func (r realCalls) SaveWorkspace(w Workspace, id *int) (err error) {
	if w.ID == 0 {
		w.ID, err = r.nextID()
	} else { // nothing else may get it
		err = r.exec("SELECT setval('standin_ids', greatest(nextval('standin_ids'), $1))", w.ID)
	}
	if err != nil {
		return err
	}
	*id = w.ID
	return r.put(kindWorkspace, strconv.Itoa(w.ID), w)
}

func (r realCalls) AddFile(f File, out *File) (err error) {
	if f.ID, err = r.nextID(); err != nil {
		return err
	}
	*out = f
	return r.put(kindFile, strconv.Itoa(f.ID), f)
}

func (r realCalls) TicketFiles(q FileQuery, out *[]File) error {
	var all []File
	if err := list(r, kindFile, &all); err != nil {
		return err
	}
	*out = slices.DeleteFunc(all, func(f File) bool { return f.FlowUUID != q.Flow || f.DataNo != q.DataNo })
	slices.SortFunc(*out, func(a, b File) int { return cmp.Compare(b.ID, a.ID) })
	return nil
}

func (r realCalls) MarkFilesDeleted(ids []int, _ *None) error {
	return r.alone(func(r realCalls) error {
		for _, id := range ids {
			var f File
			ok, err := r.find(kindFile, strconv.Itoa(id), &f)
			if f.Deleted = true; err == nil && ok {
				err = r.put(kindFile, strconv.Itoa(id), f)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r realCalls) DeleteFile(id int, _ *None) error { return r.drop(kindFile, strconv.Itoa(id)) }

func (r realCalls) AddTempFile(f TempFile, _ *None) (err error) {
	if f.ID, err = r.nextID(); err != nil {
		return err
	}
	return r.put(kindTempFile, strconv.Itoa(f.ID), f)
}

func (r realCalls) TempFilesOf(mapping string, out *[]TempFile) error {
	var all []TempFile
	if err := list(r, kindTempFile, &all); err != nil {
		return err
	}
	*out = slices.DeleteFunc(all, func(f TempFile) bool { return f.Mapping != mapping })
	slices.SortFunc(*out, func(a, b TempFile) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (r realCalls) DeleteTempFiles(mapping string, out *[]TempFile) error {
	return r.alone(func(r realCalls) error {
		if err := r.TempFilesOf(mapping, out); err != nil {
			return err
		}
		for _, f := range *out {
			if err := r.drop(kindTempFile, strconv.Itoa(f.ID)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r realCalls) Parameters(_ None, out *[]Parameter) error {
	err := list(r, kindParameter, out)
	slices.SortFunc(*out, func(a, b Parameter) int { return cmp.Compare(a.ID, b.ID) })
	return err
}

func (r realCalls) SaveParameter(p Parameter, _ *None) error {
	return r.alone(func(r realCalls) error {
		var all []Parameter
		if err := list(r, kindParameter, &all); err != nil {
			return err
		}
		if p.ID != 0 && !slices.ContainsFunc(all, func(o Parameter) bool { return o.ID == p.ID }) {
			return nil
		}
		if i := slices.IndexFunc(all, func(o Parameter) bool { return o.Name == p.Name }); p.ID == 0 && i >= 0 {
			p.ID = all[i].ID
		}
		if p.ID == 0 {
			var err error
			if p.ID, err = r.nextID(); err != nil {
				return err
			}
		}
		return r.put(kindParameter, strconv.Itoa(p.ID), p)
	})
}

func (r realCalls) DeleteParameters(ids []int, _ *None) error {
	for _, id := range ids {
		if err := r.drop(kindParameter, strconv.Itoa(id)); err != nil {
			return err
		}
	}
	return nil
}

func (r realCalls) Service(id string, out *Service) error {
	_, err := r.find(kindService, id, out)
	return err
}

func (r realCalls) SaveService(v Service, _ *None) error { return r.put(kindService, v.ID, v) }

func (r realCalls) Apps(_ None, out *[]App) error {
	err := list(r, kindApp, out)
	slices.SortFunc(*out, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return err
}

func (r realCalls) SaveApp(a App, out *App) error {
	return r.alone(func(r realCalls) error {
		var old App
		ok, err := r.find(kindApp, a.Name, &old)
		if a.ID = old.ID; err == nil && !ok {
			a.ID, err = r.nextID()
		}
		if err != nil {
			return err
		}
		*out = a
		if err := r.exec("INSERT INTO omformflow_activeapplication (id, app_name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", a.ID, a.Name); err != nil {
			return err
		}
		return r.put(kindApp, a.Name, a)
	})
}
