// Package sluice is what a sluice transform in Go is written with.
//
// A transform is a WebAssembly component that shapes the rows of one table on their way to the table's current state. It
// is a value with two methods, registered in an init function:
//
//	type upper struct{}
//
//	func (upper) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
//		return &sluice.Plan{
//			Reads:  []string{"name"},
//			Writes: []sluice.OutputColumn{{Name: "name", Type: sluice.TypeString, Nullable: true}},
//		}, nil
//	}
//
//	func (upper) Transform(batch *sluice.Batch) (*sluice.Output, error) {
//		return &sluice.Output{Columns: []sluice.Column{batch.Column("name").Upper()}}, nil
//	}
//
//	func init() { sluice.Register(upper{}) }
//
//	func main() {}
//
// A [Column] is a handle to a column that the host holds. Its methods are the kernels, which the host runs over whole
// columns at native speed; what they do is written in transform.wit. [Column.Read] copies the values out for computing
// in Go, and [Builder] or [FromSlice] make a new column. [Rows] runs a function over one row after the other, which is
// slower.
//
// What happens to a row must depend on this row, the settings and the seed alone: the host cuts batches as it likes. So
// nothing may hang on the order of a map, on goroutines that race, or on values kept from row to row. time.Now and
// math/rand give no true time and nothing random here.
//
// Outside of WebAssembly, in go test, columns live in this package; kernels do not run there, since they are the host's.
package sluice
