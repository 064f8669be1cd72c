package daemon

import (
	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/verdict"
)

// Overrides are what a configuration says about single policies.
func Overrides(c *config.Config) map[verdict.PolicyID]policy.Override {
	out := map[verdict.PolicyID]policy.Override{}
	for id, o := range c.Overrides {
		where := o.Where
		out[id] = policy.Override{
			Severity: o.Severity, Parameters: o.Parameters, Disabled: o.Disabled, Labels: o.Labels,
			Where: &where, ParametersWhere: o.ParametersWhere,
		}
	}
	return out
}

// Waivers are a configuration's waivers.
func Waivers(c *config.Config) []compliance.Waiver {
	var out []compliance.Waiver
	for _, w := range c.Waivers {
		out = append(out, compliance.Waiver{Name: w.Name, Policy: w.Policy, Resource: w.Resource, ResourceType: w.ResourceType, Account: w.Account, Expires: w.Expires})
	}
	return out
}

// modules is the generation in force as it was read.
func (d *Daemon) modules() api.Modules {
	d.mu.Lock()
	b, number := d.build, d.generation.Number
	d.mu.Unlock()
	out := api.Modules{Generation: number, Schemas: map[string]string{}, Overrides: map[verdict.PolicyID]api.Override{}, Waivers: Waivers(b.Config)}
	for _, f := range b.Files {
		out.Files = append(out.Files, api.Module{Path: f.Path, Text: string(f.Bytes)})
	}
	for t, s := range b.Schemas {
		out.Schemas[t] = string(s)
	}
	for id, o := range b.Config.Overrides {
		out.Overrides[id] = api.Override{Severity: o.Severity, Parameters: o.Parameters, Disabled: o.Disabled, Labels: o.Labels}
	}
	return out
}
