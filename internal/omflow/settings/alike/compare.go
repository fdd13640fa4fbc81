package alike

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is something that an operator must put right.
type Problem struct {
	// Servers are those that it is about, by name.
	Servers []string
	// Text says what is wrong and what to do, in one line.
	Text string
}

// Compare says what is not as it should be on several servers, by their names, in a
// fixed order. What differs is told once for all of them.
func Compare(all map[string]Facts) (problems []Problem) {
	servers := slices.Sorted(maps.Keys(all))
	add := func(about []string, format string, args ...any) {
		problems = append(problems, Problem{about, fmt.Sprintf(format, args...)})
	}
	for _, server := range servers {
		if wrong := all[server].Wrong; wrong != "" {
			add([]string{server}, "%s: %s", server, wrong)
		}
	}
	for _, labels := range comparable(all) {
		if groups := by(servers, labels); len(groups) > 1 {
			var each []string
			for _, g := range groups {
				each = append(each, fmt.Sprintf("%s (label %s)", strings.Join(g.servers, ", "), g.value))
			}
			add(members(groups), "SECRET_KEY is not the same on %s: write the same in settings.py on all servers and restart them; until then users are signed out when another server answers",
				strings.Join(each, " and on "))
		}
	}
	zones := make(map[string]string)
	for server, f := range all {
		zones[server] = f.TimeZone
	}
	if groups := by(servers, zones); len(groups) > 1 {
		var each []string
		for _, g := range groups {
			each = append(each, fmt.Sprintf("%s on %s", g.value, strings.Join(g.servers, ", ")))
		}
		add(members(groups), "TIME_ZONE is %s: write the same in settings.py on all servers and restart them; until then schedules fire at other hours, and tickets show other times",
			strings.Join(each, ", and "))
	}
	for _, server := range servers {
		if off := all[server].Clock; off != 0 {
			add([]string{server}, "%s: its clock is %s the booster's: set the clocks of both by the same servers, with chrony or systemd-timesyncd", server, ahead(off))
		}
	}
	return problems
}

// ahead writes a difference of clocks in words.
func ahead(seconds int) string {
	if seconds < 0 {
		return fmt.Sprintf("%ds behind", -seconds)
	}
	return fmt.Sprintf("%ds ahead of", seconds)
}

// comparable returns the labels by server, apart for each cluster key that made them.
func comparable(all map[string]Facts) []map[string]string {
	byKey := make(map[string]map[string]string)
	for server, f := range all {
		id, _, ok := strings.Cut(f.SecretKey, "-")
		if !ok {
			continue
		}
		if byKey[id] == nil {
			byKey[id] = make(map[string]string)
		}
		byKey[id][server] = f.SecretKey
	}
	var out []map[string]string
	for _, id := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, byKey[id])
	}
	return out
}

// Same reports whether two labels are of one secret key; known is false when that can't
// be told, since one is missing or another cluster key made it.
func Same(a, b string) (same, known bool) {
	idA, _, okA := strings.Cut(a, "-")
	idB, _, okB := strings.Cut(b, "-")
	return a == b, okA && okB && idA == idB
}

// group are servers that have the same value.
type group struct {
	value   string
	servers []string
}

// members are the servers of all groups.
func members(groups []group) (servers []string) {
	for _, g := range groups {
		servers = append(servers, g.servers...)
	}
	return servers
}

// by groups the servers that have a value, the largest group first.
func by(servers []string, values map[string]string) (groups []group) {
	for _, server := range servers {
		value := values[server]
		if value == "" {
			continue
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.value == value })
		if i < 0 {
			i, groups = len(groups), append(groups, group{value: value})
		}
		groups[i].servers = append(groups[i].servers, server)
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(len(b.servers), len(a.servers)) })
	return groups
}
