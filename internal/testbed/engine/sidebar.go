package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/testbed/database"
)

// SidebarItem is an entry of the menu at the page's left side, as OMFLOW stores it.
type SidebarItem struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Parent   string `json:"p_id"`
	FlowUUID string `json:"flow_uuid"` // default, custom, app, or a flow's
	Icon     string `json:"icon"`
}

// sidebarSetting is the system setting that the sidebar is stored in.
const sidebarSetting = "sidebar_design"

// maxSidebar bounds the sidebar that a client sends.
const maxSidebar = 1000

// defaultSidebar is what OMFLOW has after its first start.
func defaultSidebar() []SidebarItem {
	return []SidebarItem{
		{"mymission", "我的任務", "", "default", "commenting"},
		{"service", "服務請求", "", "default", "shopping-cart"},
		{"servermanage", "資料收集", "", "default", "server"},
		{"flowmgmt", "應用管理", "", "default", "cubes"},
		{"custom_1", "Apps", "", "custom", "folder"},
		{"staffmgmt", "人員管理", "", "default", "user"},
		{"syssetting", "系統設定", "", "default", "gear"},
	}
}

// Sidebar returns the menu as this process has it in memory.
func (e *Engine) Sidebar() []SidebarItem {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sidebar)
}

// UpdateSidebar replaces the menu by what a client made of the one it was shown.
// Flows are not part of that: they are taken from the database.
func (e *Engine) UpdateSidebar(items []SidebarItem) error {
	if len(items) > maxSidebar {
		return Refusal("參數錯誤：")
	}
	defaults := 0
	for _, i := range items {
		if i.FlowUUID == "default" {
			defaults++
		}
	}
	want := 0
	for _, i := range defaultSidebar() {
		if i.FlowUUID == "default" {
			want++
		}
	}
	if defaults != want {
		return Refusal("參數錯誤：無法刪除預設項目。")
	}
	stored, err := e.storedSidebar()
	if err != nil {
		return err
	}
	var next []SidebarItem
	for _, i := range items {
		next = append(next, i)
		if i.FlowUUID != "app" {
			continue
		}
		for _, flow := range stored {
			if strings.HasPrefix(flow.ID, "formflow") && flow.Parent == i.ID {
				next = append(next, flow)
			}
		}
	}
	return e.saveSidebar(next)
}

// addToSidebar adds an application and its flows below the entry parent, or at the
// end. It changes what this process has in memory and writes all of that: what
// another process added is gone.
func (e *Engine) addToSidebar(app database.App, flows []database.Design, parent string) error {
	items := e.Sidebar()
	at := slices.IndexFunc(items, func(i SidebarItem) bool { return i.ID == parent })
	if at < 0 {
		at = len(items) - 1
	}
	return e.saveSidebar(slices.Insert(items, at+1, appItems(app, flows, parent)...))
}

// removeFromSidebar removes an application and its flows, in the same way.
func (e *Engine) removeFromSidebar(app database.App) error {
	id := appItem(app)
	return e.saveSidebar(slices.DeleteFunc(e.Sidebar(), func(i SidebarItem) bool { return i.ID == id || i.Parent == id }))
}

// appItems are the entries of an application.
func appItems(app database.App, flows []database.Design, parent string) []SidebarItem {
	id := appItem(app)
	items := []SidebarItem{{id, app.Name, parent, "app", "laptop"}}
	for _, f := range flows {
		items = append(items, SidebarItem{"formflow-" + f.UUID, f.Name, id, f.UUID, "bomb"})
	}
	return items
}

func appItem(app database.App) string { return fmt.Sprintf("app-%d", app.ID) }

func (e *Engine) saveSidebar(items []SidebarItem) error {
	text, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("encoding the sidebar: %w", err)
	}
	if err := e.db.SaveSetting(sidebarSetting, string(text)); err != nil {
		return fmt.Errorf("saving the sidebar: %w", err)
	}
	e.mu.Lock()
	e.sidebar = items
	e.mu.Unlock()
	return nil
}

// storedSidebar is the menu as the database has it.
func (e *Engine) storedSidebar() ([]SidebarItem, error) {
	s, err := e.db.Setting(sidebarSetting)
	if err != nil {
		return nil, fmt.Errorf("reading the sidebar: %w", err)
	}
	var items []SidebarItem
	if err := json.Unmarshal([]byte(s.Value), &items); err != nil {
		return nil, fmt.Errorf("parsing the sidebar: %w", err)
	}
	return items, nil
}
