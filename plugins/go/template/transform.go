// Shapes the rows of a table on their way from the log to the current state.
package main

import "sluice"

// lower writes a column in lower case, without white space at its ends.
type lower struct {
	// Column is the setting `column`.
	Column string `json:"column"`
}

// Configure says which columns are read and written; all others go through untouched.
func (l *lower) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	if err := setup.Decode(l); err != nil {
		return nil, err
	}
	column, err := setup.Column(l.Column)
	if err != nil {
		return nil, err
	}
	return &sluice.Plan{
		Reads:  []string{column.Name},
		Writes: []sluice.OutputColumn{{Name: column.Name, Type: sluice.TypeString, Nullable: true}},
	}, nil
}

// Transform shapes a batch: the methods of a column run over all of its rows in the host.
func (l *lower) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	return &sluice.Output{Columns: []sluice.Column{batch.Column(l.Column).Trim().Lower()}}, nil
}

func init() { sluice.Register(&lower{}) }

func main() {}
