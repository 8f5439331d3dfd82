package plan

import (
	"cmp"
	"slices"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Jurisdictions are the places where data of a region's tenants may be: its own first, then its sub-processors' and its
// database provider's, in the order of the alphabet.
func Jurisdictions(region *v1alpha1.Region) []v1alpha1.RegionJurisdiction {
	all := []v1alpha1.RegionJurisdiction{{Jurisdiction: region.Spec.Jurisdiction, Covered: true}}
	for _, p := range region.Spec.SubProcessors {
		i := slices.IndexFunc(all, func(j v1alpha1.RegionJurisdiction) bool { return j.Jurisdiction == p.Location })
		if i < 0 {
			i, all = len(all), append(all, v1alpha1.RegionJurisdiction{Jurisdiction: p.Location, Covered: true})
		}
		all[i].SubProcessors = append(all[i].SubProcessors, p.Name)
		all[i].Covered = all[i].Covered && Covered(region, p)
	}
	if e := External(region); e != nil && !slices.ContainsFunc(all, func(j v1alpha1.RegionJurisdiction) bool { return j.Jurisdiction == e.Location }) {
		all = append(all, v1alpha1.RegionJurisdiction{Jurisdiction: e.Location, Covered: DatabasePlace(region) == nil})
	}
	slices.SortFunc(all[1:], func(a, b v1alpha1.RegionJurisdiction) int { return cmp.Compare(a.Jurisdiction, b.Jurisdiction) })
	return all
}

// Uncovered names the sub-processors that no data may go to.
func Uncovered(region *v1alpha1.Region) []string {
	var names []string
	for _, p := range region.Spec.SubProcessors {
		if !Covered(region, p) {
			names = append(names, p.Name)
		}
	}
	return names
}
