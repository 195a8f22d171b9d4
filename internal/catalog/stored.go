package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Stored is the catalog as the tables have it.
type Stored struct {
	Services []ci.Service // deleted ones too
	Rules    []ci.ServiceRule
	Deploys  []ci.DeployRule
}

// Compile makes the rules ready to be asked.
func (s Stored) Compile() (*Catalog, error) { return New(s.Services, s.Rules, s.Deploys) }

// Config gives what the rows say, as a configuration with every section.
func (s Stored) Config() Config {
	c := Config{Services: []Service{}, Rules: []Rule{}, Deploys: []Deploy{}}
	byID := map[ci.ServiceID]string{}
	own := map[ci.ServiceID][]Match{}
	rules := slices.Clone(s.Rules)
	slices.SortFunc(rules, func(a, b ci.ServiceRule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range rules {
		if r.Priority >= OwnPriority {
			own[r.ServiceID] = append(own[r.ServiceID], r.Match)
		}
	}
	for _, one := range s.Services {
		byID[one.ID] = one.Identifier
		if one.DeletedAt == nil {
			c.Services = append(c.Services, Service{
				Identifier: one.Identifier, Name: text(one.Name), Description: text(one.Description), Owner: text(one.Owner),
				Tier: text(one.Tier), Lifecycle: text(one.Lifecycle), Source: one.Source,
				Matches: own[one.ID], matchAt: make([]place, len(own[one.ID])),
			})
		}
	}
	var last int64 = -1
	for _, r := range rules {
		if r.Priority >= OwnPriority {
			break
		}
		if r.Priority != last {
			c.Rules = append(c.Rules, Rule{Name: text(r.Name), Disabled: !r.Enabled, Source: r.Source})
			last = r.Priority
		}
		rule := &c.Rules[len(c.Rules)-1]
		i := slices.IndexFunc(rule.Cases, func(one Case) bool { return one.Match.key() == Match(r.Match).key() })
		if i < 0 {
			i = len(rule.Cases)
			rule.Cases = append(rule.Cases, Case{Match: r.Match})
		}
		rule.Cases[i].Services = append(rule.Cases[i].Services, byID[r.ServiceID])
	}
	deploys := slices.Clone(s.Deploys)
	slices.SortFunc(deploys, func(a, b ci.DeployRule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	for _, d := range deploys {
		one := Deploy{Name: text(d.Name), Match: d.Match, Environment: d.Environment, Tier: text(d.Tier), Disabled: !d.Enabled, Source: d.Source}
		if d.ServiceID != nil {
			one.Service = byID[*d.ServiceID]
		}
		c.Deploys = append(c.Deploys, one)
	}
	return c
}

// Merge lays a configuration over what is stored: sections that it has replace
// those stored, others stay. The error is a *Refused when the whole does not
// hold together ([Config.Check]).
func (s Stored) Merge(c Config) (Config, error) {
	whole := s.Config()
	if c.Services != nil {
		whole.Services = c.Services
	}
	if c.Rules != nil {
		whole.Rules = c.Rules
	}
	if c.Deploys != nil {
		whole.Deploys = c.Deploys
	}
	return whole, whole.Check()
}

// Replace gives the rows of a whole, checked configuration. What stays as it
// was keeps its id; services that are no longer named are marked deleted now.
func (s Stored) Replace(c Config, now time.Time) (Stored, error) {
	var next Stored
	ids := map[string]ci.ServiceID{}
	old := map[string]ci.Service{}
	var lastService ci.ServiceID
	for _, one := range s.Services {
		old[one.Identifier] = one
		lastService = max(lastService, one.ID)
	}
	for _, one := range c.Services {
		id := old[one.Identifier].ID
		if id == 0 {
			lastService++
			id = lastService
		}
		ids[one.Identifier] = id
		next.Services = append(next.Services, ci.Service{
			ID: id, Identifier: one.Identifier, Name: known(one.Name), Description: known(one.Description), Owner: known(one.Owner),
			Tier: known(one.Tier), Lifecycle: known(one.Lifecycle), Source: one.Source,
		})
	}
	for _, identifier := range slices.Sorted(maps.Keys(old)) {
		if _, named := ids[identifier]; !named {
			gone := old[identifier]
			if gone.DeletedAt == nil {
				gone.DeletedAt = new(now.UTC().Truncate(time.Microsecond))
			}
			next.Services = append(next.Services, gone)
		}
	}
	var err error
	if next.Rules, err = s.serviceRules(c, ids); err != nil {
		return Stored{}, err
	}
	next.Deploys, err = s.deployRules(c, ids)
	return next, err
}

// numbers hands out ids: that of an equal old row, or a new one.
type numbers struct {
	free map[string][]ci.RuleID
	last ci.RuleID
}

func (n *numbers) keep(key string, id ci.RuleID) {
	n.free[key] = append(n.free[key], id)
	n.last = max(n.last, id)
}

func (n *numbers) take(key string) ci.RuleID {
	if list := n.free[key]; len(list) > 0 {
		n.free[key] = list[1:]
		return list[0]
	}
	n.last++
	return n.last
}

func (s Stored) serviceRules(c Config, ids map[string]ci.ServiceID) ([]ci.ServiceRule, error) {
	n := &numbers{free: map[string][]ci.RuleID{}}
	key := func(m Match, service ci.ServiceID) string { return fmt.Sprintf("%d %s", service, m.key()) }
	for _, r := range s.Rules {
		n.keep(key(r.Match, r.ServiceID), r.ID)
	}
	var list []ci.ServiceRule
	add := func(r ci.ServiceRule, m Match, service string) error {
		id, ok := ids[service]
		if !ok {
			return fmt.Errorf("catalog: no service %q: the configuration was not checked", service)
		}
		r.Match, r.ServiceID = orNone(m), id
		r.ID = n.take(key(m, id))
		list = append(list, r)
		return nil
	}
	for i, r := range c.Rules {
		for _, one := range r.Cases {
			for _, service := range one.Services {
				row := ci.ServiceRule{Priority: int64(i+1) * 10, Enabled: !r.Disabled, Source: r.Source, Name: known(r.Name)}
				if err := add(row, one.Match, service); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, one := range c.Services {
		for _, m := range one.Matches {
			if err := add(ci.ServiceRule{Priority: OwnPriority, Enabled: true, Source: one.Source}, m, one.Identifier); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

func (s Stored) deployRules(c Config, ids map[string]ci.ServiceID) ([]ci.DeployRule, error) {
	n := &numbers{free: map[string][]ci.RuleID{}}
	key := func(m Match, environment, tier string, service ci.ServiceID) string {
		return fmt.Sprintf("%d %q %q %s", service, environment, tier, m.key())
	}
	for _, r := range s.Deploys {
		var service ci.ServiceID
		if r.ServiceID != nil {
			service = *r.ServiceID
		}
		n.keep(key(r.Match, r.Environment, text(r.Tier), service), r.ID)
	}
	var list []ci.DeployRule
	for i, d := range c.Deploys {
		tier := cmp.Or(d.Tier, GuessTier(d.Environment))
		row := ci.DeployRule{
			Priority: int64(i+1) * 10, Match: orNone(d.Match), Environment: d.Environment, Tier: &tier,
			Enabled: !d.Disabled, Source: d.Source, Name: known(d.Name),
		}
		if d.Service != "" {
			id, ok := ids[d.Service]
			if !ok {
				return nil, fmt.Errorf("catalog: no service %q: the configuration was not checked", d.Service)
			}
			row.ServiceID = &id
		}
		row.ID = n.take(key(d.Match, d.Environment, tier, ids[d.Service]))
		list = append(list, row)
	}
	return list, nil
}

// orNone gives an empty match for none: NULL is not what it means.
func orNone(m Match) map[string][]string {
	if m == nil {
		return map[string][]string{}
	}
	return m
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// known gives NULL for what nobody said.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
