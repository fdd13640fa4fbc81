package caddymodule

import (
	"encoding/json"
	"net/http"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/omflow/settings/alike"
)

// settingsFacts are what the agents that are there have told of their servers' settings,
// by server.
func settingsFacts(node *gossip.Node) map[string]alike.Facts {
	there := make(map[string]bool)
	for _, m := range node.Members() {
		there[m.Name] = m.Kind == gossip.KindAgent && m.Reachable()
	}
	return alike.Decoded(node.Marks(), func(server string) bool { return there[server] })
}

// settingsProblems says what is not as it should be with the servers' settings.
func settingsProblems(node *gossip.Node) (texts []string) {
	for _, p := range alike.Compare(settingsFacts(node)) {
		texts = append(texts, "settings: "+p.Text)
	}
	return texts
}

// serveSettings answers doctor.SettingsPath on a booster's control API: a machine that
// is to become an agent holds its own settings.py against those of the servers that are
// there already.
func serveSettings(node *gossip.Node) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := json.Marshal(doctor.Settings{Servers: settingsFacts(node)})
		if err != nil { // facts are texts and numbers
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b) // who has gone away needs no answer
	}
}
