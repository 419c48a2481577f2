package sluice

import (
	"fmt"
	"unsafe"
)

// Bits is one bit a row, least significant first.
type Bits []byte

// NewBits returns bits for rows rows, none of them set.
func NewBits(rows int) Bits { return make(Bits, (rows+7)/8) }

// Get returns the bit of a row.
func (b Bits) Get(row int) bool { return b[row>>3]>>(row&7)&1 == 1 }

// Set sets the bit of a row.
func (b Bits) Set(row int) { b[row>>3] |= 1 << (row & 7) }

// Values is a column's values, copied out of the host. What it returns is not to be changed.
type Values struct {
	Type    Type
	rows    int
	scale   int
	valid   Bits
	offsets []int32
	data    []byte
}

// Len returns the number of rows.
func (v *Values) Len() int { return v.rows }

// Valid says whether a row has a value.
func (v *Values) Valid(row int) bool { return len(v.valid) == 0 || v.valid.Get(row) }

// Validity returns one bit a row that says whether there is a value, or nothing if every row has one.
func (v *Values) Validity() Bits { return v.valid }

// Bool returns a value of a boolean.
func (v *Values) Bool(row int) bool { return Bits(v.data).Get(row) }

// Int32s returns the values of an int or a date (days since 1970-01-01). Those of null rows are of no meaning.
func (v *Values) Int32s() []int32 { return view[int32](v.data) }

// Int64s returns the values of a long, a time (microseconds since midnight), a timestamp or a timestamptz (microseconds
// since 1970-01-01).
func (v *Values) Int64s() []int64 { return view[int64](v.data) }

// Float32s returns the values of a float.
func (v *Values) Float32s() []float32 { return view[float32](v.data) }

// Float64s returns the values of a double.
func (v *Values) Float64s() []float64 { return view[float64](v.data) }

// Decimal returns a value of a decimal.
func (v *Values) Decimal(row int) Decimal { return decimalFrom(v.data[16*row:16*row+16], v.scale) }

// Text returns a value of a string, without copying it.
func (v *Values) Text(row int) string {
	bytes := v.Bytes(row)
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}

// Bytes returns a value of a string or binary, without copying it.
func (v *Values) Bytes(row int) []byte {
	from, to := v.offsets[row], v.offsets[row+1]
	return v.data[from:to:to]
}

// At returns a value as the row API has it: nil for null, else a bool, int32, int64, float32, float64, Decimal, Date,
// TimeOfDay, Timestamp, string or []byte.
func (v *Values) At(row int) any {
	if !v.Valid(row) {
		return nil
	}
	switch v.Type {
	case TypeBoolean:
		return v.Bool(row)
	case TypeInt:
		return v.Int32s()[row]
	case TypeDate:
		return Date(v.Int32s()[row])
	case TypeLong:
		return v.Int64s()[row]
	case TypeTime:
		return TimeOfDay(v.Int64s()[row])
	case TypeTimestamp, TypeTimestampTZ:
		return Timestamp(v.Int64s()[row])
	case TypeFloat:
		return v.Float32s()[row]
	case TypeDouble:
		return v.Float64s()[row]
	case TypeString:
		return v.Text(row)
	case TypeBinary:
		return v.Bytes(row)
	}
	return v.Decimal(row)
}

// number is what lies in a column's bytes as it does in memory.
type number interface {
	int32 | int64 | float32 | float64
}

// view reads bytes as numbers, in place where they are aligned. WebAssembly is little-endian, as columns are.
func view[T number](data []byte) []T {
	size := int(unsafe.Sizeof(*new(T)))
	count := len(data) / size
	if count == 0 {
		return nil
	}
	start := unsafe.SliceData(data)
	if uintptr(unsafe.Pointer(start))%uintptr(size) == 0 {
		return unsafe.Slice((*T)(unsafe.Pointer(start)), count)
	}
	aligned := make([]T, count)
	copy(raw(aligned), data)
	return aligned
}

// raw is the bytes of numbers.
func raw[T number](numbers []T) []byte {
	size := int(unsafe.Sizeof(*new(T)))
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), size*len(numbers))
}

// FromSlice makes a column of numbers. The type is one whose values are T: int and date are int32; long, time and the
// timestamps int64; float and double float32 and float64. Without valid every row has a value.
func FromSlice[T number](of Type, numbers []T, valid Bits) Column {
	if !holds[T](of) {
		panic(fmt.Sprintf("a column of type %s is not made of %T", of, numbers))
	}
	column := made(hostMake(string(of), len(numbers), valid, nil, raw(numbers)))
	column.known = len(numbers) + 1
	return column
}

func holds[T number](of Type) bool {
	switch any(*new(T)).(type) {
	case int32:
		return of == TypeInt || of == TypeDate
	case int64:
		return of == TypeLong || of == TypeTime || of == TypeTimestamp || of == TypeTimestampTZ
	case float32:
		return of == TypeFloat
	default:
		return of == TypeDouble
	}
}
