package sluice

import (
	"errors"
	"fmt"
	"strings"
)

// RowTransform shapes one row after the other. It is slower than a Transform.
type RowTransform interface {
	// Configure says what the transform is going to do with a table, as in Transform.
	Configure(setup *Setup) (*Plan, error)
	// Row returns what becomes of a row: see Keep and Drop. An error rejects the row, and is the reason.
	Row(row *Row) ([]*Row, error)
}

// Keep is the answer of a row function that keeps the row.
func Keep(row *Row) ([]*Row, error) { return []*Row{row}, nil }

// Drop is the answer of a row function that drops the row.
func Drop() ([]*Row, error) { return nil, nil }

// Reject is the answer of a row function that rejects the row for a reason.
func Reject(format string, values ...any) ([]*Row, error) { return nil, fmt.Errorf(format, values...) }

// Rows makes a transform of a function over rows.
func Rows(t RowTransform) Transform { return &byRow{transform: t} }

type byRow struct {
	transform RowTransform
	plan      *Plan
	places    *places
	// Places of the plan's Reads and Writes in a row.
	reads, writes []int
}

func (b *byRow) Configure(setup *Setup) (*Plan, error) {
	plan, err := b.transform.Configure(setup)
	if err != nil || plan == nil {
		return plan, err
	}
	b.plan, b.places, b.reads, b.writes = plan, &places{}, nil, nil
	for _, name := range plan.Reads {
		b.reads = append(b.reads, b.places.add(name))
	}
	for _, column := range plan.Writes {
		b.writes = append(b.writes, b.places.add(column.Name))
	}
	return plan, nil
}

// add returns the place of a column, a new one if it has none.
func (p places) add(name string) int {
	place, ok := p[name]
	if !ok {
		place = len(p)
		p[name] = place
	}
	return place
}

func (b *byRow) Transform(batch *Batch) (*Output, error) {
	read := make([]Values, len(b.plan.Reads))
	for i, name := range b.plan.Reads {
		read[i] = batch.Column(name).Read()
	}
	ops, ordinals, times := batch.Ops.Read(), batch.Ordinals.Read(), batch.Times.Read()
	shaped := newRowWriter(b, batch.Rows)
	numbers, moments := ordinals.Int64s(), times.Int64s()
	for i := range batch.Rows {
		row := &Row{
			Op:      opOf(ops.Text(i)),
			Ordinal: numbers[i],
			places:  b.places,
			values:  make([]any, len(*b.places)),
		}
		if times.Valid(i) {
			time := Timestamp(moments[i])
			row.Time = &time
		}
		for j := range read {
			row.values[b.reads[j]] = read[j].At(i)
		}
		op := row.Op
		rows, err := b.transform.Row(row)
		if err == nil {
			err = shaped.add(i, op, rows)
		}
		if err != nil {
			shaped.reject(err)
		}
	}
	return shaped.output(), nil
}

func opOf(text string) Op {
	for _, op := range []Op{Load, Insert, Update, Delete} {
		if string(op) == text {
			return op
		}
	}
	return Op(strings.Clone(text))
}

// rowWriter gathers rows into columns: with FanOut the rows that are left, else one for each row of the batch.
type rowWriter struct {
	plan     *Plan
	places   *places
	writes   []int
	columns  []*Builder
	keep     *Builder
	sources  *Builder
	rejected *Builder
	ops      *Builder

	dropped, refused, opChanged bool
}

func newRowWriter(of *byRow, rows int) *rowWriter {
	w := &rowWriter{
		plan:     of.plan,
		places:   of.places,
		writes:   of.writes,
		keep:     NewBuilder(TypeBoolean, rows),
		sources:  NewBuilder(TypeInt, rows),
		rejected: NewBuilder(TypeString, rows),
		ops:      NewBuilder(TypeString, rows),
	}
	for _, column := range of.plan.Writes {
		w.columns = append(w.columns, NewBuilder(column.Type, rows))
	}
	return w
}

// add takes the rows that a row became. If one of them is at fault, none is taken.
func (w *rowWriter) add(source int, op Op, rows []*Row) error {
	if len(rows) > 1 && !w.plan.FanOut {
		return fmt.Errorf("the transform returned %d rows for one, but its plan does not say FanOut", len(rows))
	}
	before := w.ops.Len()
	for _, row := range rows {
		if err := w.append(row); err != nil {
			for _, column := range w.columns {
				column.truncate(before)
			}
			return err
		}
	}
	for _, row := range rows {
		w.sources.AppendInt32(int32(source))
		if row.Op == op {
			w.ops.AppendNull()
		} else {
			w.ops.AppendText(string(row.Op))
			w.opChanged = true
		}
	}
	if len(rows) == 0 {
		w.dropped = true
		w.pad()
	}
	w.keep.AppendBool(len(rows) > 0)
	w.rejected.AppendNull()
	return nil
}

// reject leaves a row out for a reason.
func (w *rowWriter) reject(err error) {
	w.refused = true
	w.pad()
	w.keep.AppendBool(true)
	w.rejected.AppendText(strings.ToValidUTF8(err.Error(), "\uFFFD"))
}

func (w *rowWriter) append(row *Row) error {
	if row.places != w.places {
		return errors.New("the transform returned a row that is neither the one it got nor a copy of it")
	}
	for i, place := range w.writes {
		if err := w.columns[i].Append(row.values[place]); err != nil {
			return fmt.Errorf("column %q: %w", w.plan.Writes[i].Name, err)
		}
	}
	return nil
}

// pad fills the place of a row that is not there.
func (w *rowWriter) pad() {
	if w.plan.FanOut {
		return
	}
	for _, column := range w.columns {
		column.AppendNull()
	}
	w.ops.AppendNull()
}

func (w *rowWriter) output() *Output {
	output := &Output{Columns: make([]Column, len(w.columns))}
	for i, column := range w.columns {
		output.Columns[i] = column.Column()
	}
	switch {
	case w.plan.FanOut:
		output.SourceRows = w.sources.Column()
	case w.dropped:
		output.Keep = w.keep.Column()
	}
	if w.refused {
		output.Rejected = w.rejected.Column()
	}
	if w.opChanged {
		output.Ops = w.ops.Column()
	}
	return output
}
