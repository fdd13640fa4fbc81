package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Cluster checks what a running node knows of all the others.
type Cluster struct {
	// Version is this program's.
	Version string
	// View asks the node that runs here. The error says why it can't be asked. Required.
	View func(context.Context) (View, error)
}

// View is the cluster as one node sees it.
type View struct {
	Members []Member
	// Problems are what that node says an operator must put right.
	Problems []string
}

// Member is a node of the cluster.
type Member struct {
	Name, Version string
	// Reachable says that it was alive a moment ago.
	Reachable bool
}

// Checks returns the checks. All are skipped when no node can be asked.
func (c Cluster) Checks() []Check {
	view := func(name string, judge func(View) Result) Check {
		return Check{Name: name, Run: func(ctx context.Context) Result {
			v, err := c.View(ctx)
			if err != nil {
				return skipped("%v", err)
			}
			return judge(v)
		}}
	}
	return []Check{view("versions", c.versions), view("cluster", judgeView)}
}

// versions checks that all nodes run the same version, and that this program has it.
func (c Cluster) versions(v View) Result {
	by := map[string][]string{c.Version: {"this program"}}
	for _, m := range v.Members {
		if m.Reachable {
			by[m.Version] = append(by[m.Version], m.Name)
		}
	}
	if len(by) == 1 {
		return ok("%s on %d nodes", c.Version, len(by[c.Version])-1)
	}
	var each []string
	for _, version := range sorted(by) {
		names := by[version]
		slices.Sort(names)
		each = append(each, fmt.Sprintf("%s has %s", strings.Join(names, ", "), version))
	}
	return failed("%s", strings.Join(each, "; ")).advise("bring all nodes to one version: boosters first, then the agents, one after the other")
}

func judgeView(v View) Result {
	var lost []string
	reached := 0
	for _, m := range v.Members {
		if m.Reachable {
			reached++
		} else {
			lost = append(lost, m.Name)
		}
	}
	slices.Sort(lost)
	switch {
	case len(v.Problems) > 0:
		return failed("%s", strings.Join(v.Problems, "; ")).advise("`booster omflow status` shows what has become of it")
	case len(lost) > 0:
		return failed("not reached: %s", strings.Join(lost, ", ")).
			advise("start them, or let port 5169, TCP and UDP, through; one that was taken away for good is forgotten after a day")
	}
	return ok("%d nodes are reached", reached)
}
