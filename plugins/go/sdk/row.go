package sluice

import (
	"fmt"
	"maps"
	"slices"
)

// Row is one row of a batch, with the columns of the plan's Reads and Writes. Values are nil for null, else a bool,
// int32, int64, float32, float64, Decimal, Date, TimeOfDay, Timestamp, string or []byte, after the column's type.
type Row struct {
	// Op is what the row does. Another one takes its place.
	Op Op
	// Ordinal is the number of the row in the table's log.
	Ordinal int64
	// Time is when the row was committed at the source, in UTC; nil where the source does not say.
	Time *Timestamp

	places *places
	values []any
}

// places says where the values of columns are in a row: the same for all rows of a batch.
type places map[string]int

// NewRow makes an inserted row of values by their columns' names, for tests.
func NewRow(values map[string]any) *Row {
	row := &Row{Op: Insert, places: &places{}}
	for i, name := range slices.Sorted(maps.Keys(values)) {
		(*row.places)[name] = i
		row.values = append(row.values, values[name])
	}
	return row
}

// Copy returns another row with the same values, for transforms that return several rows for one.
func (r *Row) Copy() *Row {
	other := *r
	other.values = slices.Clone(r.values)
	return &other
}

// Get returns the value of a column.
func (r *Row) Get(name string) any { return r.values[r.place(name)] }

// Set changes the value of a column that the transform writes.
func (r *Row) Set(name string, value any) { r.values[r.place(name)] = value }

// IsNull says whether a column has no value.
func (r *Row) IsNull(name string) bool { return r.Get(name) == nil }

// Bool returns the value of a boolean; false if it is null.
func (r *Row) Bool(name string) (value, ok bool) { return as[bool](r, name) }

// Int32 returns the value of an int; false if it is null.
func (r *Row) Int32(name string) (value int32, ok bool) { return as[int32](r, name) }

// Int64 returns the value of a long; false if it is null.
func (r *Row) Int64(name string) (value int64, ok bool) { return as[int64](r, name) }

// Float32 returns the value of a float; false if it is null.
func (r *Row) Float32(name string) (value float32, ok bool) { return as[float32](r, name) }

// Float64 returns the value of a double; false if it is null.
func (r *Row) Float64(name string) (value float64, ok bool) { return as[float64](r, name) }

// Decimal returns the value of a decimal; false if it is null.
func (r *Row) Decimal(name string) (value Decimal, ok bool) { return as[Decimal](r, name) }

// Date returns the value of a date; false if it is null.
func (r *Row) Date(name string) (value Date, ok bool) { return as[Date](r, name) }

// TimeOfDay returns the value of a time; false if it is null.
func (r *Row) TimeOfDay(name string) (value TimeOfDay, ok bool) { return as[TimeOfDay](r, name) }

// Timestamp returns the value of a timestamp or timestamptz; false if it is null.
func (r *Row) Timestamp(name string) (value Timestamp, ok bool) { return as[Timestamp](r, name) }

// Text returns the value of a string; false if it is null.
func (r *Row) Text(name string) (value string, ok bool) { return as[string](r, name) }

// Bytes returns the value of a binary; false if it is null.
func (r *Row) Bytes(name string) (value []byte, ok bool) { return as[[]byte](r, name) }

func (r *Row) place(name string) int {
	place, ok := (*r.places)[name]
	if !ok {
		panic(fmt.Sprintf("the column %q is neither among the plan's Reads nor its Writes", name))
	}
	return place
}

func as[T any](row *Row, name string) (value T, ok bool) {
	found := row.Get(name)
	if found == nil {
		return value, false
	}
	value, ok = found.(T)
	if !ok {
		panic(fmt.Sprintf("the column %q holds a %T, not a %T", name, found, value))
	}
	return value, true
}
