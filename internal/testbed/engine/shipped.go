package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// UUIDs of the flows that a stand-in is shipped with.
const (
	MissionUUID = "7d0c62f2f4a94f6d8e6a5b1c2d3e4f50"
	SlowUUID    = "a1b2c3d4e5f647809a0b1c2d3e4f5061"
	OrderUUID   = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	StampUUID   = "5a6b7c8d9e0f40112233445566778890"
	CheckedUUID = "c0ffee00112233445566778899aabbcc"
	NapUUID     = "9a9b9c9d9e9f40a0a1a2a3a4a5a6a7a8"
)

// SlowStep is how long the background step of the shipped flow "slow" runs.
const SlowStep = 5 * time.Second

// ShortStep is how long each background step of the shipped flows "stamp" and
// "checked" runs.
const ShortStep = 200 * time.Millisecond

// NapPause is how long a ticket of the shipped flow "nap" rests.
const NapPause = time.Second

// StampParameter is the system parameter that the shipped flow "stamp" writes into
// a ticket's status, and StampValue its value at first.
const (
	StampParameter = "stamp"
	StampValue     = "stamped"
)

// ServiceID is an entry of the service catalogue that the shipped flows can be asked
// for through; it fills in the level green.
const ServiceID = "service_1"

// Shipped are the applications that are deployed from the start: "mission", two
// forms one after the other; "slow", a step of SlowStep and then a form; "stamp",
// three short steps, the last of which writes a parameter, and then a form;
// "checked", a form, for tickets whose data passed a check of one short step; "nap", a
// pause of NapPause and then a form.
func Shipped() []database.Workspace {
	return []database.Workspace{
		{ID: 1, Name: "mission", Flows: []database.Design{{
			UUID: MissionUUID, Name: "mission", APIPath: "mission",
			Steps: []database.Step{{Name: "任務分析"}, {Name: "任務處理"}},
		}}},
		{ID: 2, Name: "slow", Flows: []database.Design{{
			UUID: SlowUUID, Name: "slow", APIPath: "slow",
			Steps: []database.Step{{Name: "背景處理", Work: SlowStep}, {Name: "確認結果"}},
		}}},
		{ID: 4, Name: "stamp", Flows: []database.Design{{
			UUID: StampUUID, Name: "stamp", APIPath: "stamp",
			Steps: []database.Step{
				{Name: "蒐集資料", Work: ShortStep}, {Name: "計算", Work: ShortStep},
				{Name: "蓋章", Work: ShortStep, Parameter: StampParameter}, {Name: "確認結果"},
			},
		}}},
		{ID: 5, Name: "checked", Flows: []database.Design{{
			UUID: CheckedUUID, Name: "checked", APIPath: "checked", Validation: ShortStep,
			Steps: []database.Step{{Name: "審核"}},
		}}},
		{ID: 6, Name: "nap", Flows: []database.Design{{
			UUID: NapUUID, Name: "nap", APIPath: "nap",
			Steps: []database.Step{{Name: "暫停", Pause: NapPause}, {Name: "確認結果"}},
		}}},
	}
}

// Designed is an application that waits to be deployed: "order", one form.
func Designed() database.Workspace {
	return database.Workspace{ID: 3, Name: "order", Flows: []database.Design{{
		UUID: OrderUUID, Name: "order", APIPath: "order", Steps: []database.Step{{Name: "訂單確認"}},
	}}}
}

// Seed fills a database that has no settings with what OMFLOW has after its
// first start: user admin with password admin in group 2, settings, and the
// applications of Shipped and Designed. A database that has been seeded is left
// as it is. Several processes may call it at once: what they write is the same, and
// the mark that it is done comes last.
func Seed(q database.Queries) error {
	const mark = "pool_max_worker"
	s, err := q.Setting(mark)
	if err != nil {
		return fmt.Errorf("looking whether the database is seeded: %w", err)
	}
	if s.Found {
		return nil
	}
	if err := q.SaveUser(database.NewUser("admin", "admin", 2)); err != nil {
		return fmt.Errorf("seeding the user: %w", err)
	}
	for _, w := range append(Shipped(), Designed()) {
		if _, err := q.SaveWorkspace(w); err != nil {
			return fmt.Errorf("seeding application %s: %w", w.Name, err)
		}
	}
	sidebar := defaultSidebar()
	for _, w := range Shipped() {
		app, err := q.SaveApp(database.App{Name: w.Name, Version: 1})
		if err != nil {
			return fmt.Errorf("seeding application %s: %w", w.Name, err)
		}
		sidebar = append(sidebar, appItems(app, w.Flows, "")...)
		for _, d := range w.Flows {
			if err := q.CreateTable(d.UUID); err != nil {
				return fmt.Errorf("seeding flow %s: %w", d.Name, err)
			}
			if _, err := q.SaveFlow(flowOf(app, d)); err != nil {
				return fmt.Errorf("seeding flow %s: %w", d.Name, err)
			}
		}
	}
	if err := seedSettings(q, sidebar); err != nil {
		return err
	}
	if err := q.SaveSetting(mark, fmt.Sprint(Workers)); err != nil {
		return fmt.Errorf("seeding settings: %w", err)
	}
	return nil
}

// seedSettings writes the settings, the parameter and the entry of the service
// catalogue.
func seedSettings(q database.Queries, sidebar []SidebarItem) error {
	// OMFLOW hands the LDAP settings out to anyone, password and all; the password
	// here is there to be looked for in answers.
	for name, value := range map[string]any{
		ldapSetting: LDAP{Password: "ldap-secret"}, sidebarSetting: sidebar,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encoding a setting: %w", err)
		}
		if err := q.SaveSetting(name, string(text)); err != nil {
			return fmt.Errorf("seeding settings: %w", err)
		}
	}
	for _, name := range []string{personalSetting, softwareSetting} {
		if err := q.SaveSetting(name, "An agreement that nobody has to agree to."); err != nil {
			return fmt.Errorf("seeding settings: %w", err)
		}
	}
	if err := q.SaveParameter(database.Parameter{Name: StampParameter, Value: StampValue}); err != nil {
		return fmt.Errorf("seeding parameters: %w", err)
	}
	defaults := json.RawMessage(`[{"id":"FORMITM_3","type":"h_level","value":"green"}]`)
	if err := q.SaveService(database.Service{ID: ServiceID, Defaults: defaults}); err != nil {
		return fmt.Errorf("seeding the service catalogue: %w", err)
	}
	return nil
}

func flowOf(app database.App, d database.Design) database.Flow {
	return database.Flow{
		UUID: d.UUID, AppID: app.ID, App: app.Name, Name: d.Name, APIPath: d.APIPath, Version: app.Version,
		Active: true, API: true, Steps: d.Steps, Validation: d.Validation,
	}
}
