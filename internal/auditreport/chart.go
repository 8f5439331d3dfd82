package auditreport

import (
	"fmt"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// chart is a drawing in lanes, one under the other, each with a scale of its own. Lengths are in the units of its viewBox.
type chart struct {
	Title, Description string
	Width, Height      float64
	Lanes              []lane
	Ticks              []tick
}

type lane struct {
	Name, Note  string
	X, End      float64 // of the axis
	Base, Label float64 // heights of the axis and of the text
	Bars        []bar
	Marks       []mark
}

type bar struct{ X, Y, W, H float64 }

type mark struct {
	X, Y  float64
	Class string // mark, or hollow
}

type tick struct {
	X, Y float64
	Text string
}

// Measures of charts.
const (
	chartWidth = 900.0
	chartLeft  = 190.0
	chartRight = 110.0
	laneHeight = 44.0
	laneSpan   = chartWidth - chartLeft - chartRight
	barTop     = 34.0 // height of the highest bar
)

func newChart(title string, lanes int) chart {
	return chart{Title: title, Width: chartWidth, Height: float64(lanes)*laneHeight + 24}
}

func (c *chart) lane(name string) *lane {
	base := float64(len(c.Lanes)+1) * laneHeight
	c.Lanes = append(c.Lanes, lane{Name: name, X: chartLeft, End: chartWidth - chartRight, Base: base, Label: base - 6})
	return &c.Lanes[len(c.Lanes)-1]
}

// deletionChart draws a lane of bars by month for each category, both causes together.
func deletionChart(d Deletions) chart {
	sums := map[string][]int64{}
	var categories []string
	for _, r := range d.Rows {
		if sums[r.Category] == nil {
			sums[r.Category] = make([]int64, len(d.Months))
			categories = append(categories, r.Category)
		}
		for i, n := range r.Months {
			sums[r.Category][i] += n
		}
	}
	c := newChart("Rows deleted, by month and category; each category has a scale of its own", len(categories))
	step := laneSpan / float64(len(d.Months))
	for _, category := range categories {
		l := c.lane(category)
		highest := slices.Max(sums[category])
		for i, n := range sums[category] {
			if n > 0 {
				h := max(1, round(barTop*float64(n)/float64(highest)))
				l.Bars = append(l.Bars, bar{X: round(chartLeft + step*(float64(i)+.15)), Y: l.Base - h, W: round(step * .7), H: h})
			}
		}
		l.Note = "highest " + number(highest)
	}
	every := (len(d.Months) + 11) / 12
	for i, m := range d.Months {
		if i%every == 0 {
			c.Ticks = append(c.Ticks, tick{X: round(chartLeft + step*(float64(i)+.5)), Y: c.Height - 6, Text: m})
		}
	}
	c.Description = fmt.Sprintf("Bars of rows deleted in each of %d months, for %d categories. The table below has the numbers.", len(d.Months), len(categories))
	return c
}

// overdueChart draws what runs left, each by a mark: hollow where it could not count.
func overdueChart(r Report) chart {
	c := newChart("Expired rows that runs left, over time; a hollow mark could not count", 1)
	l := c.lane("Overdue rows")
	var highest int64
	for _, run := range r.Runs {
		if left := run.left(); left != nil {
			highest = max(highest, *left)
		}
	}
	for _, run := range r.Runs {
		m := mark{X: along(r, run.FinishedAt), Y: l.Base, Class: "hollow"}
		if left := run.left(); left != nil {
			m.Class = "mark"
			if highest > 0 {
				m.Y = round(l.Base - barTop*float64(*left)/float64(highest))
			}
		}
		l.Marks = append(l.Marks, m)
	}
	l.Note = "highest " + number(highest)
	c.Description = fmt.Sprintf("Marks of %d runs over time; the highest left %s rows. The table below has the numbers.", len(r.Runs), number(highest))
	c.days(r)
	return c
}

// timeline draws a lane of runs for each policy: hollow where nothing was enforced.
func timeline(r Report) chart {
	var policies []string
	for _, run := range r.Runs {
		if !slices.Contains(policies, run.Policy) {
			policies = append(policies, run.Policy)
		}
	}
	slices.Sort(policies)
	c := newChart("Runs over time; a hollow mark was blocked, planned only, or was not taken up again", len(policies))
	for _, p := range policies {
		l := c.lane(p)
		for _, run := range r.Runs {
			if run.Policy != p {
				continue
			}
			m := mark{X: along(r, run.FinishedAt), Y: l.Base, Class: "mark"}
			if run.Outcome != contract.OutcomeEnforced || run.Interrupted {
				m.Class = "hollow"
			}
			l.Marks = append(l.Marks, m)
		}
		l.Note = number(len(l.Marks)) + " runs"
	}
	c.Description = fmt.Sprintf("Marks of %d runs of %d policies over time. The table below has each.", len(r.Runs), len(policies))
	c.days(r)
	return c
}

// along is where an instant of the period is on the axis.
func along(r Report, at time.Time) float64 {
	return round(chartLeft + laneSpan*float64(at.Sub(r.Period.Start))/float64(r.Period.End.Sub(r.Period.Start)))
}

// days labels the axis, at most seven times.
func (c *chart) days(r Report) {
	all := int(r.Period.End.Sub(r.Period.Start) / (24 * time.Hour))
	every := (all + 6) / 7
	for i := 0; i < all; i += every {
		day := r.Period.Start.AddDate(0, 0, i)
		c.Ticks = append(c.Ticks, tick{X: along(r, day), Y: c.Height - 6, Text: day.Format(time.DateOnly)})
	}
}

func round(x float64) float64 { return float64(int64(x*10+.5)) / 10 }
