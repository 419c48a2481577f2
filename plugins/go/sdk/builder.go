package sluice

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Builder makes a column value by value.
type Builder struct {
	of        Type
	layout    layout
	precision int
	scale     int
	rows      int
	nulls     int
	valid     Bits
	offsets   []int32
	data      []byte
}

// NewBuilder returns a builder of a column of this type; capacity is how many rows are expected.
func NewBuilder(of Type, capacity int) *Builder {
	b := &Builder{of: of, layout: of.layout(), valid: make(Bits, 0, (capacity+7)/8)}
	switch b.layout {
	case layoutBits:
		b.data = make([]byte, 0, (capacity+7)/8)
	case layoutFour:
		b.data = make([]byte, 0, 4*capacity)
	case layoutEight:
		b.data = make([]byte, 0, 8*capacity)
	case layoutSixteen:
		b.data = make([]byte, 0, 16*capacity)
		b.precision, b.scale, _ = of.Decimal()
	case layoutText:
		b.offsets = append(make([]int32, 0, capacity+1), 0)
	}
	return b
}

// Len returns the number of rows so far.
func (b *Builder) Len() int { return b.rows }

// AppendNull adds a row without a value.
func (b *Builder) AppendNull() {
	b.row(false)
	b.nulls++
	switch b.layout {
	case layoutFour:
		b.data = binary.LittleEndian.AppendUint32(b.data, 0)
	case layoutEight:
		b.data = binary.LittleEndian.AppendUint64(b.data, 0)
	case layoutSixteen:
		b.data = Decimal{}.append(b.data)
	case layoutText:
		b.offsets = append(b.offsets, int32(len(b.data)))
	}
}

// AppendBool adds a row to a boolean.
func (b *Builder) AppendBool(value bool) {
	b.is(layoutBits, "a bool")
	b.row(true)
	if value {
		Bits(b.data).Set(b.rows - 1)
	}
}

// AppendInt32 adds a row to an int or a date.
func (b *Builder) AppendInt32(value int32) {
	b.is(layoutFour, "an int32")
	b.row(true)
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(value))
}

// AppendInt64 adds a row to a long, a time, a timestamp or a timestamptz.
func (b *Builder) AppendInt64(value int64) {
	b.is(layoutEight, "an int64")
	b.row(true)
	b.data = binary.LittleEndian.AppendUint64(b.data, uint64(value))
}

// AppendFloat32 adds a row to a float.
func (b *Builder) AppendFloat32(value float32) { b.AppendInt32(int32(math.Float32bits(value))) }

// AppendFloat64 adds a row to a double.
func (b *Builder) AppendFloat64(value float64) { b.AppendInt64(int64(math.Float64bits(value))) }

// AppendDecimal adds a row to a decimal. The number is brought to the column's scale; one that would lose digits after
// the point, or has too many before it, is an error, and then no row is added.
func (b *Builder) AppendDecimal(value Decimal) error {
	b.is(layoutSixteen, "a Decimal")
	scaled, ok := value.Round(b.scale)
	if !ok || scaled.digits() > b.precision || (value.scale > b.scale && scaled.Compare(value) != 0) {
		return fmt.Errorf("%s has no place in %s", value, b.of)
	}
	b.row(true)
	b.data = scaled.append(b.data)
	return nil
}

// AppendText adds a row to a string or binary.
func (b *Builder) AppendText(value string) {
	b.is(layoutText, "a string")
	b.row(true)
	b.data = append(b.data, value...)
	b.end()
}

// AppendBytes adds a row to a string or binary.
func (b *Builder) AppendBytes(value []byte) {
	b.is(layoutText, "a []byte")
	b.row(true)
	b.data = append(b.data, value...)
	b.end()
}

// Append adds a row of a value as Values.At returns it, nil for null. An int is taken for an int32 or int64, a time.Time
// for a Date or Timestamp. If the value is not one of the column's type, no row is added.
func (b *Builder) Append(value any) error {
	switch value := value.(type) {
	case nil:
		b.AppendNull()
		return nil
	case int:
		return b.appendInt(value)
	case time.Time:
		return b.appendTime(value)
	case Decimal:
		if b.layout == layoutSixteen {
			return b.AppendDecimal(value)
		}
	case bool:
		if b.of == TypeBoolean {
			b.AppendBool(value)
			return nil
		}
	case int32:
		if b.of == TypeInt {
			b.AppendInt32(value)
			return nil
		}
	case int64:
		if b.of == TypeLong {
			b.AppendInt64(value)
			return nil
		}
	case float32:
		if b.of == TypeFloat {
			b.AppendFloat32(value)
			return nil
		}
	case float64:
		if b.of == TypeDouble {
			b.AppendFloat64(value)
			return nil
		}
	case Date:
		if b.of == TypeDate {
			b.AppendInt32(int32(value))
			return nil
		}
	case TimeOfDay:
		if b.of == TypeTime {
			b.AppendInt64(int64(value))
			return nil
		}
	case Timestamp:
		if b.of == TypeTimestamp || b.of == TypeTimestampTZ {
			b.AppendInt64(int64(value))
			return nil
		}
	case string:
		if b.of == TypeString {
			b.AppendText(value)
			return nil
		}
	case []byte:
		if b.of == TypeBinary {
			b.AppendBytes(value)
			return nil
		}
	}
	return b.misfit(value)
}

// Column makes the column. The builder is not to be used any more.
func (b *Builder) Column() Column {
	valid := b.valid
	if b.nulls == 0 {
		valid = nil
	}
	column := made(hostMake(string(b.of), b.rows, valid, raw(b.offsets), b.data))
	column.known = b.rows + 1
	return column
}

func (b *Builder) appendInt(value int) error {
	switch {
	case b.of == TypeLong:
		b.AppendInt64(int64(value))
	case b.of == TypeInt && int(int32(value)) == value:
		b.AppendInt32(int32(value))
	default:
		return b.misfit(value)
	}
	return nil
}

func (b *Builder) appendTime(value time.Time) error {
	switch b.of {
	case TypeDate:
		b.AppendInt32(int32(DateOf(value)))
	case TypeTimestamp, TypeTimestampTZ:
		b.AppendInt64(int64(TimestampOf(value)))
	default:
		return b.misfit(value)
	}
	return nil
}

// truncate takes rows back until there are only so many.
func (b *Builder) truncate(rows int) {
	b.rows, b.valid = rows, cut(b.valid, rows)
	switch b.layout {
	case layoutBits:
		b.data = cut(b.data, rows)
	case layoutFour:
		b.data = b.data[:4*rows]
	case layoutEight:
		b.data = b.data[:8*rows]
	case layoutSixteen:
		b.data = b.data[:16*rows]
	case layoutText:
		b.offsets = b.offsets[:rows+1]
		b.data = b.data[:b.offsets[rows]]
	}
}

// cut leaves the bits of so many rows, and none behind them.
func cut(bits []byte, rows int) []byte {
	bits = bits[:(rows+7)/8]
	if rows&7 != 0 {
		bits[len(bits)-1] &= 1<<(rows&7) - 1
	}
	return bits
}

func (b *Builder) misfit(value any) error {
	return fmt.Errorf("%v (%T) has no place in a column of type %s", value, value, b.of)
}

// row adds a row's bit, and the value's bit if the values are bits too.
func (b *Builder) row(valid bool) {
	if b.rows&7 == 0 {
		b.valid = append(b.valid, 0)
		if b.layout == layoutBits {
			b.data = append(b.data, 0)
		}
	}
	if valid {
		b.valid.Set(b.rows)
	}
	b.rows++
}

func (b *Builder) end() {
	if len(b.data) > math.MaxInt32 {
		panic(fmt.Sprintf("a column of type %s holds at most 2 GiB", b.of))
	}
	b.offsets = append(b.offsets, int32(len(b.data)))
}

func (b *Builder) is(wanted layout, what string) {
	if b.layout != wanted {
		panic(fmt.Sprintf("%s has no place in a column of type %s", what, b.of))
	}
}
