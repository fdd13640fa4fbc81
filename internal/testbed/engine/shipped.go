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
)

// SlowStep is how long the background step of the shipped flow "slow" runs.
const SlowStep = 5 * time.Second

// Shipped are the applications that are deployed from the start: "mission", two
// forms one after the other, and "slow", a step of SlowStep and then a form.
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
	for _, w := range Shipped() {
		for _, d := range w.Flows {
			if err := q.CreateTable(d.UUID); err != nil {
				return fmt.Errorf("seeding flow %s: %w", d.Name, err)
			}
			if _, err := q.SaveFlow(flowOf(w, d, 1)); err != nil {
				return fmt.Errorf("seeding flow %s: %w", d.Name, err)
			}
		}
	}
	// OMFLOW hands this one out to anyone, password and all; the password here
	// is there to be looked for in answers.
	ldap, err := json.Marshal(map[string]string{"ldap_client_server": "", "ldap_bind_user_password": "ldap-secret"})
	if err != nil {
		return fmt.Errorf("encoding a setting: %w", err)
	}
	if err := q.SaveSetting("ldap_config", string(ldap)); err != nil {
		return fmt.Errorf("seeding settings: %w", err)
	}
	if err := q.SaveSetting(mark, fmt.Sprint(Workers)); err != nil {
		return fmt.Errorf("seeding settings: %w", err)
	}
	return nil
}

func flowOf(w database.Workspace, d database.Design, version int) database.Flow {
	return database.Flow{
		UUID: d.UUID, App: w.Name, Name: d.Name, APIPath: d.APIPath, Version: version, Active: true,
	}
}
