package main

import "sluice"

// copied is the plan of the modes that write every column under another name.
func copied(setup *sluice.Setup) *sluice.Plan {
	plan := &sluice.Plan{}
	for _, column := range setup.Columns {
		plan.Reads = append(plan.Reads, column.Name)
		plan.Writes = append(plan.Writes, sluice.OutputColumn{
			Name:         "out_" + column.Name,
			Type:         column.Type,
			Nullable:     true,
			ComputedFrom: []string{column.Name},
		})
	}
	return plan
}

// columns copies every column through its values.
type columns struct{ plan *sluice.Plan }

func (c *columns) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	c.plan = copied(setup)
	return c.plan, nil
}

func (c *columns) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	output := &sluice.Output{}
	for _, name := range c.plan.Reads {
		column, err := copyOf(batch.Column(name).Read())
		if err != nil {
			return nil, err
		}
		output.Columns = append(output.Columns, column)
	}
	return output, nil
}

// copyOf makes a column anew of values that were decoded.
func copyOf(values sluice.Values) (sluice.Column, error) {
	switch values.Type {
	case sluice.TypeInt, sluice.TypeDate:
		return again(&values, values.Int32s()), nil
	case sluice.TypeLong, sluice.TypeTime, sluice.TypeTimestamp, sluice.TypeTimestampTZ:
		return again(&values, values.Int64s()), nil
	case sluice.TypeFloat:
		return again(&values, values.Float32s()), nil
	case sluice.TypeDouble:
		return again(&values, values.Float64s()), nil
	}
	builder := sluice.NewBuilder(values.Type, values.Len())
	for row := range values.Len() {
		switch {
		case !values.Valid(row):
			builder.AppendNull()
		case values.Type == sluice.TypeBoolean:
			builder.AppendBool(values.Bool(row))
		case values.Type == sluice.TypeString:
			builder.AppendText(values.Text(row))
		case values.Type == sluice.TypeBinary:
			builder.AppendBytes(values.Bytes(row))
		default:
			if err := builder.AppendDecimal(values.Decimal(row)); err != nil {
				return sluice.Column{}, err
			}
		}
	}
	return builder.Column(), nil
}

func again[T int32 | int64 | float32 | float64](values *sluice.Values, numbers []T) sluice.Column {
	copied := make([]T, values.Len())
	valid := sluice.NewBits(values.Len())
	for row := range copied {
		if values.Valid(row) {
			copied[row] = numbers[row]
			valid.Set(row)
		}
	}
	return sluice.FromSlice(values.Type, copied, valid)
}

// rows copies every column row by row.
type rows struct{ plan *sluice.Plan }

func (r *rows) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	r.plan = copied(setup)
	return r.plan, nil
}

func (r *rows) Row(row *sluice.Row) ([]*sluice.Row, error) {
	for _, name := range r.plan.Reads {
		row.Set("out_"+name, row.Get(name))
	}
	return sluice.Keep(row)
}
