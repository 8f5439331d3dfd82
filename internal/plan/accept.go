package plan

import (
	"cmp"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Refusal says why a spec that the API server let in can't be carried out.
type Refusal struct {
	Reason  string
	Message string
}

// Processor gives the sub-processor by which a channel reaches its guests, when the
// region allows it. A web chat has none: guests' browsers speak to the tenant's own pods, so that it reaches nobody.
func Processor(region *v1alpha1.Region, channel *v1alpha1.Channel) (v1alpha1.SubProcessor, *Refusal) {
	if channel.Spec.Type == v1alpha1.TypeWebChat {
		return v1alpha1.SubProcessor{}, DatabasePlace(region)
	}
	return processor(region, channel.Spec.SubProcessor)
}

// processor gives an entry of the register, when data may go there.
func processor(region *v1alpha1.Region, wanted string) (v1alpha1.SubProcessor, *Refusal) {
	for _, p := range region.Spec.SubProcessors {
		if p.Name != wanted {
			continue
		}
		if !Covered(region, p) {
			return v1alpha1.SubProcessor{}, &Refusal{
				Reason: v1alpha1.ReasonTransferNotCovered,
				Message: fmt.Sprintf("sub-processor %q is in %s, outside of jurisdiction %s of region %s, and the register names no mechanism under which data may go there: "+
					"have transferMechanism added, or name another", p.Name, p.Location, region.Spec.Jurisdiction, region.Name),
			}
		}
		if refusal := DatabasePlace(region); refusal != nil {
			return v1alpha1.SubProcessor{}, refusal
		}
		return p, nil
	}
	return v1alpha1.SubProcessor{}, &Refusal{
		Reason: v1alpha1.ReasonSubProcessorNotRegistered,
		Message: fmt.Sprintf("sub-processor %q is not in the register of region %s: name one that is, or have it added to the Region's spec.subProcessors",
			wanted, region.Name),
	}
}

// Accept checks a policy against its region's bounds, and its schedule as
// Kubernetes will read it.
func Accept(region *v1alpha1.Region, policy *v1alpha1.RetentionPolicy) *Refusal {
	for _, rule := range policy.Spec.Rules {
		for _, b := range region.Spec.RetentionBounds {
			if b.Category != rule.Category {
				continue
			}
			if b.MaxDays != nil && rule.RetainDays > *b.MaxDays {
				return &Refusal{v1alpha1.ReasonOutOfBounds, fmt.Sprintf(
					"%s can't be kept for %d days: region %s allows %d at most; lower retainDays", rule.Category, rule.RetainDays, region.Name, *b.MaxDays)}
			}
			if b.MinDays != nil && rule.RetainDays < *b.MinDays {
				return &Refusal{v1alpha1.ReasonOutOfBounds, fmt.Sprintf(
					"%s can't be deleted after %d days: region %s demands %d at least; raise retainDays", rule.Category, rule.RetainDays, region.Name, *b.MinDays)}
			}
		}
	}
	if _, err := Schedule(policy); err != nil {
		return &Refusal{v1alpha1.ReasonInvalidSchedule, err.Error()}
	}
	return nil
}

// Schedule reads a policy's schedule, in its time zone.
func Schedule(policy *v1alpha1.RetentionPolicy) (cron.Schedule, error) {
	zone, err := time.LoadLocation(cmp.Or(policy.Spec.TimeZone, defaultTimeZone))
	if err != nil {
		return nil, fmt.Errorf("timeZone %q is not known: use a name of the IANA time zone database such as Europe/Berlin", policy.Spec.TimeZone)
	}
	schedule, err := cron.ParseStandard(policy.Spec.Schedule)
	if err != nil {
		return nil, fmt.Errorf("schedule %q can't be read: use five fields (minute hour day month weekday) such as \"15 3 * * *\", or @daily", policy.Spec.Schedule)
	}
	if s, ok := schedule.(*cron.SpecSchedule); ok {
		s.Location = zone
	}
	return schedule, nil
}
