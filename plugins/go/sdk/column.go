package sluice

// Column is a column of the batch at hand, which the host holds, or a constant, which stands for any number of rows. It
// ends with the call of Transform. Column{} is no column.
type Column struct {
	handle uint32
	// One more than the number of rows, where it is known without asking the host.
	known int
	there bool
}

// Constant makes a column that has the same value in every row. The text is read as the kernel Cast reads it.
func Constant(of Type, text string) Column {
	return made(hostConstant(string(of), text, true))
}

// NullConstant makes a column that is null in every row.
func NullConstant(of Type) Column {
	return made(hostConstant(string(of), "", false))
}

// Type returns the column's type.
func (c Column) Type() Type {
	return Type(hostTypeOf(c.id()))
}

// Read copies the values out of the host. A constant has one row.
func (c Column) Read() Values {
	of := c.Type()
	validity, offsets, data := hostRead(c.id())
	values := Values{Type: of, valid: validity, data: data}
	switch of.layout() {
	case layoutText:
		values.offsets = view[int32](offsets)
		values.rows = max(len(values.offsets)-1, 0)
	case layoutFour:
		values.rows = len(data) / 4
	case layoutEight:
		values.rows = len(data) / 8
	case layoutSixteen:
		values.rows = len(data) / 16
		_, values.scale, _ = of.Decimal()
	case layoutBits:
		values.rows = c.known - 1
		if c.known == 0 {
			// Bits do not tell how many of them count.
			_, _, numbers := hostRead(c.Cast(TypeInt).id())
			values.rows = len(numbers) / 4
		}
	}
	return values
}

func (c Column) id() uint32 {
	if !c.there {
		panic("Column{} is no column: it has neither type nor values")
	}
	return c.handle
}

func made(handle uint32) Column {
	return Column{handle: handle, there: true}
}

func handles(columns []Column) []uint32 {
	ids := make([]uint32, len(columns))
	for i, column := range columns {
		ids[i] = column.id()
	}
	return ids
}
