// The conformance guest: its settings pick what it does.
package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice"
)

// mode is one behaviour of the guest.
type mode interface {
	Configure(setup *sluice.Setup) (*sluice.Plan, error)
	Transform(batch *sluice.Batch) (*sluice.Output, error)
}

type settings struct {
	Mode    string            `json:"mode"`
	Call    []json.RawMessage `json:"call"`
	Type    sluice.Type       `json:"type"`
	Sources *argument         `json:"sources"`
	Key     []string          `json:"key"`
	Times   int               `json:"times"`
	Lines   int               `json:"lines"`
}

type conformance struct{ mode }

func (c *conformance) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	var settings settings
	if err := setup.Decode(&settings); err != nil {
		return nil, err
	}
	switch settings.Mode {
	case "columns":
		c.mode = &columns{}
	case "rows":
		c.mode = sluice.Rows(&rows{})
	case "call":
		c.mode = &call{settings: settings}
	case "outcome":
		c.mode = &outcome{}
	case "fan-out":
		c.mode = &fanOut{times: settings.Times}
	case "log":
		c.mode = &logging{lines: settings.Lines}
	case "error", "panic":
		c.mode = &failing{how: settings.Mode}
	default:
		return nil, fmt.Errorf("there is no mode %q", settings.Mode)
	}
	return c.mode.Configure(setup)
}

// outcome rejects and drops by the column id.
type outcome struct{}

func (outcome) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	if id, err := setup.Column("id"); err != nil {
		return nil, err
	} else if id.Type != sluice.TypeLong {
		return nil, fmt.Errorf("the column id is a %s, not a long", id.Type)
	}
	return &sluice.Plan{
		Reads:   []string{"id"},
		Writes:  []sluice.OutputColumn{{Name: "out", Type: sluice.TypeString, Nullable: true}},
		Deletes: true,
	}, nil
}

func (outcome) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	id := batch.Column("id")
	left := id.Remainder(sluice.Constant(sluice.TypeLong, "5"))
	text := id.Cast(sluice.TypeString)
	reason := sluice.Concat([]sluice.Column{
		sluice.Constant(sluice.TypeString, "id"), text, sluice.Constant(sluice.TypeString, "is refused"),
	}, " ")
	refused := left.Equal(sluice.Constant(sluice.TypeLong, "3"))
	return &sluice.Output{
		Columns:  []sluice.Column{text},
		Keep:     left.NotEqual(sluice.Constant(sluice.TypeLong, "4")),
		Rejected: refused.Choose(reason, sluice.NullConstant(sluice.TypeString)),
	}, nil
}

// fanOut returns every row several times.
type fanOut struct{ times int }

func (f *fanOut) Configure(*sluice.Setup) (*sluice.Plan, error) {
	return &sluice.Plan{
		Reads:   []string{"id"},
		Writes:  []sluice.OutputColumn{{Name: "n", Type: sluice.TypeInt}},
		Deletes: true,
		Key:     []string{"id", "n"},
		FanOut:  true,
	}, nil
}

func (f *fanOut) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	numbers := make([]int32, 0, batch.Rows*f.times)
	sources := make([]int32, 0, batch.Rows*f.times)
	for row := range batch.Rows {
		for n := range f.times {
			numbers = append(numbers, int32(n))
			sources = append(sources, int32(row))
		}
	}
	return &sluice.Output{
		Columns:    []sluice.Column{sluice.FromSlice(sluice.TypeInt, numbers, nil)},
		SourceRows: sluice.FromSlice(sluice.TypeInt, sources, nil),
	}, nil
}

// logging writes lines and counts them.
type logging struct{ lines int }

func (l *logging) Configure(*sluice.Setup) (*sluice.Plan, error) {
	return &sluice.Plan{Writes: []sluice.OutputColumn{{Name: "out", Type: sluice.TypeString, Nullable: true}}}, nil
}

func (l *logging) Transform(*sluice.Batch) (*sluice.Output, error) {
	for line := range l.lines {
		sluice.Info("line %d", line)
		sluice.Metric("lines", 1)
	}
	return &sluice.Output{Columns: []sluice.Column{sluice.Constant(sluice.TypeString, "logged")}}, nil
}

// failing returns an error or panics.
type failing struct{ how string }

func (f *failing) Configure(*sluice.Setup) (*sluice.Plan, error) {
	return &sluice.Plan{Writes: []sluice.OutputColumn{{Name: "out", Type: sluice.TypeString, Nullable: true}}}, nil
}

func (f *failing) Transform(*sluice.Batch) (*sluice.Output, error) {
	if f.how == "panic" {
		panic("asked to crash")
	}
	return nil, errors.New("asked to fail")
}

func init() { sluice.Register(&conformance{}) }

func main() {}
