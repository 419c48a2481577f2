package sluice

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Transform shapes the rows of one table.
type Transform interface {
	// Configure says what the transform is going to do with a table. An error says what is wrong with the settings or
	// the table's columns. It is called before every batch, so what it keeps in the transform is there in Transform.
	Configure(setup *Setup) (*Plan, error)
	// Transform shapes a batch. An error counts for all of its rows; the host cuts the batch until only the rows at
	// fault fail.
	Transform(batch *Batch) (*Output, error)
}

var registered Transform

// Register makes t the transform of this component. Call it once, in an init function.
func Register(t Transform) {
	if registered != nil {
		panic("sluice.Register is called twice: a component is one transform")
	}
	registered = t
}

// InputColumn is a column of the table.
type InputColumn struct {
	Name string
	Type Type
	// Nullable says whether it may be null: every column but the key's may.
	Nullable bool
	// Key says whether it belongs to the primary key.
	Key bool
}

// Setup is what a transform is configured with.
type Setup struct {
	// Table is the table as schema.table.
	Table string
	// Settings are the settings from the configuration, as a JSON object; {} if there are none.
	Settings string
	// Seed is 32 bytes as 64 hexadecimal digits, the same for all batches of this table: the only randomness there is.
	Seed string
	// Columns are the table's columns.
	Columns []InputColumn
}

// Decode reads the settings into a pointer to a struct. A setting that the struct does not have is an error, so that a
// misspelt one is not passed over.
func (s *Setup) Decode(settings any) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(s.Settings)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(settings); err != nil {
		return fmt.Errorf("the settings cannot be read: %w", err)
	}
	return nil
}

// SeedBytes returns the seed's 32 bytes.
func (s *Setup) SeedBytes() ([]byte, error) {
	return hex.DecodeString(s.Seed)
}

// Column returns the table's column of this name, or an error that says which there are.
func (s *Setup) Column(name string) (InputColumn, error) {
	at := slices.IndexFunc(s.Columns, func(column InputColumn) bool { return column.Name == name })
	if at < 0 {
		names := make([]string, len(s.Columns))
		for i, column := range s.Columns {
			names[i] = column.Name
		}
		return InputColumn{}, fmt.Errorf("table %s has no column %q, only %q", s.Table, name, names)
	}
	return s.Columns[at], nil
}

// OutputColumn is a column that a transform writes.
type OutputColumn struct {
	// Name is its name. That of a column of the table replaces it, in place; any other is added at the end.
	Name string
	Type Type
	// Nullable says whether it may be null. A null in a column that may not be one rejects the row.
	Nullable bool
	// ComputedFrom names the columns in Reads that it is computed from; empty means all of them. Where the source did
	// not send these, the column keeps its value.
	ComputedFrom []string
}

// Plan is what a transform is going to do. Columns that it neither writes nor drops go through untouched.
type Plan struct {
	// Reads names the columns that it wants to see.
	Reads []string
	// Writes are the columns that it writes, in the order in which it returns them.
	Writes []OutputColumn
	// Drops names columns that end here.
	Drops []string
	// Deletes says whether rows that delete are shown to it. If not, they pass by. A delete has its key; its other
	// columns may be null.
	Deletes bool
	// Key is the key of Silver, if the transform changes it: names of columns after the transform. With a key of its
	// own a transform has to see deletes.
	Key []string
	// FanOut says whether it may return several rows for one. It then needs a Key that tells them apart. Rows that it
	// does not return again for a changed row stay in Silver unless it returns them with the op Delete.
	FanOut bool
}

// Op is what a row does.
type Op string

// What rows do.
const (
	Load   Op = "L" // comes from a full load
	Insert Op = "I"
	Update Op = "U"
	Delete Op = "D"
)

// Batch is rows to be shaped.
type Batch struct {
	// Rows is how many there are.
	Rows int
	// Ops is what each row does, a string: see Op.
	Ops Column
	// Ordinals is the number of each row in the table's log, a long: it is the same whenever Silver is made anew.
	Ordinals Column
	// Times is when each row was committed at the source, a timestamptz; null where the source does not say.
	Times Column

	names   []string
	columns []Column
}

// Column returns the column of this name, which is one of the plan's Reads.
func (b *Batch) Column(name string) Column {
	at := slices.Index(b.names, name)
	if at < 0 {
		panic(fmt.Sprintf("the column %q is not among the plan's Reads %q", name, b.names))
	}
	return b.columns[at]
}

// NewBatch makes a batch of columns in the order of names, for tests.
func NewBatch(rows int, names []string, columns ...Column) *Batch {
	return &Batch{Rows: rows, names: names, columns: columns}
}

// Output is the shaped rows. Columns that are left as Column{} are not there.
type Output struct {
	// Columns are those of the plan's Writes, in that order, with as many rows as the batch, or as SourceRows has.
	Columns []Column
	// Keep is a boolean a row of the batch: rows where it is not true are dropped. A dropped row takes its key's row out
	// of Silver. Not together with SourceRows.
	Keep Column
	// SourceRows is an int an output row: the row of the batch that it comes from (0 is the first), never falling. Rows
	// of the batch that do not occur are dropped.
	SourceRows Column
	// Rejected is a string a row of the batch: where it is not null, the row is rejected, and this is the reason.
	Rejected Column
	// Ops is a string an output row: its op, where it is not that of its source row; null leaves it.
	Ops Column
}
