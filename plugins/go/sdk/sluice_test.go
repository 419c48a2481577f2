package sluice

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryTypeComesBackFromAColumn(t *testing.T) {
	for _, test := range []struct {
		of     Type
		values []any
	}{
		{TypeBoolean, []any{true, nil, false, true, true, false, nil, true, true}},
		{TypeInt, []any{int32(0), nil, int32(math.MinInt32), int32(math.MaxInt32)}},
		{TypeLong, []any{int64(math.MinInt64), nil, int64(math.MaxInt64)}},
		{TypeFloat, []any{float32(1.5), nil, float32(math.Inf(-1))}},
		{TypeDouble, []any{math.SmallestNonzeroFloat64, nil, math.Inf(1)}},
		{TypeDecimal(38, 2), []any{NewDecimal(-50, 2), nil, NewDecimal(math.MaxInt64, 2)}},
		{TypeDate, []any{Date(-719162), nil, Date(2932896)}},
		{TypeTime, []any{TimeOfDay(86_399_999_999), nil}},
		{TypeTimestamp, []any{Timestamp(math.MinInt64), nil, Timestamp(-1)}},
		{TypeTimestampTZ, []any{Timestamp(1)}},
		{TypeString, []any{"", nil, "Zoë\x00", "日本語"}},
	} {
		builder := NewBuilder(test.of, 0)
		for _, value := range test.values {
			if err := builder.Append(value); err != nil {
				t.Fatalf("%s: %v", test.of, err)
			}
		}
		column := builder.Column()
		values := column.Read()
		if column.Type() != test.of || values.Len() != len(test.values) {
			t.Errorf("%s: got %d rows of type %s", test.of, values.Len(), column.Type())
		}
		for row, want := range test.values {
			if got := values.At(row); got != want {
				t.Errorf("%s: row %d is %v, want %v", test.of, row, got, want)
			}
		}
	}
}

func TestNumbersAreReadWhereTheyLieEvenIfNotAligned(t *testing.T) {
	numbers := []int64{1, -2, math.MaxInt64}
	shifted := append([]byte{0}, raw(numbers)...)
	if got := view[int64](shifted[1:]); !slices.Equal(got, numbers) {
		t.Errorf("got %v", got)
	}
	if got := view[int64](raw(numbers)); &got[0] != &numbers[0] {
		t.Error("aligned numbers are copied")
	}
}

func TestAValueOfAnotherTypeHasNoPlace(t *testing.T) {
	builder := NewBuilder(TypeInt, 0)
	for _, value := range []any{"1", int64(1), 1.5, math.MaxInt32 + 1, Date(1), time.Now()} {
		if err := builder.Append(value); err == nil {
			t.Errorf("%v was taken", value)
		}
	}
	if err := NewBuilder(TypeDecimal(3, 1), 0).AppendDecimal(NewDecimal(1000, 1)); err == nil {
		t.Error("100.0 was taken as decimal(3,1)")
	}
	if err := NewBuilder(TypeDecimal(3, 1), 0).AppendDecimal(NewDecimal(125, 2)); err == nil {
		t.Error("1.25 was taken as decimal(3,1)")
	}
	if builder.Len() != 0 {
		t.Errorf("there are %d rows", builder.Len())
	}
}

func TestDecimalsMultiplyAndRoundLikeBigNumbers(t *testing.T) {
	texts := []string{"0", "1", "-1", "0.05", "-0.05", "12.345", "9223372036854775807", "-9223372036854775808.5",
		"12345678901234567890123456789.123456789", "-99999999999999999999999999999999999999"}
	for _, left := range texts {
		a, err := ParseDecimal(left)
		if err != nil || a.String() != left {
			t.Fatalf("%s: got %s and %v", left, a, err)
		}
		for scale := range 4 {
			want := new(big.Rat).SetFrac(a.Unscaled(), power(a.scale)).FloatString(scale)
			if got, ok := a.Round(scale); ok && got.String() != want && strings.Trim(want, "-0.") != "" {
				t.Errorf("%s to %d digits: got %s, want %s", left, scale, got, want)
			}
		}
		for _, right := range texts {
			b, _ := ParseDecimal(right)
			want := new(big.Int).Mul(a.Unscaled(), b.Unscaled())
			product, ok := a.Multiply(b)
			if ok != (new(big.Int).Abs(want).Cmp(limit) < 0) || (ok && product.Unscaled().Cmp(want) != 0) {
				t.Errorf("%s times %s: got %s, %v", left, right, product, ok)
			}
		}
	}
	for _, text := range []string{"", ".", "-", "+-1", "1e3", "1_000", "0x1", strings.Repeat("9", 39)} {
		if d, err := ParseDecimal(text); err == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
}

// halves is a row transform that shows every outcome.
type halves struct{ fanOut bool }

func (h halves) Configure(*Setup) (*Plan, error) {
	return &Plan{
		Reads:  []string{"n"},
		Writes: []OutputColumn{{Name: "n", Type: TypeLong, Nullable: true}, {Name: "text", Type: TypeString, Nullable: true}},
		FanOut: h.fanOut,
	}, nil
}

func (h halves) Row(row *Row) ([]*Row, error) {
	n, ok := row.Int64("n")
	switch {
	case !ok:
		return Drop()
	case n < 0:
		return Reject("%d is negative", n)
	case n == 7:
		row.Set("text", 7)
	case h.fanOut:
		other := row.Copy()
		other.Set("n", n+1)
		other.Op = Delete
		return []*Row{row, other}, nil
	}
	return Keep(row)
}

func shaped(t *testing.T, h halves, numbers ...any) *Output {
	t.Helper()
	n, ops := NewBuilder(TypeLong, 0), NewBuilder(TypeString, 0)
	for _, number := range numbers {
		if err := n.Append(number); err != nil {
			t.Fatal(err)
		}
		ops.AppendText("I")
	}
	ordinals := FromSlice(TypeLong, make([]int64, len(numbers)), nil)
	times := FromSlice(TypeTimestampTZ, make([]int64, len(numbers)), NewBits(len(numbers)))
	batch := NewBatch(len(numbers), []string{"n"}, n.Column())
	batch.Ops, batch.Ordinals, batch.Times = ops.Column(), ordinals, times
	transform := Rows(h)
	if _, err := transform.Configure(&Setup{}); err != nil {
		t.Fatal(err)
	}
	output, err := transform.Transform(batch)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

func TestRowsAreKeptDroppedAndRejected(t *testing.T) {
	output := shaped(t, halves{}, int64(4), nil, int64(-1), int64(7))
	n, keep, rejected := output.Columns[0].Read(), output.Keep.Read(), output.Rejected.Read()
	if n.Len() != 4 || n.Int64s()[0] != 4 || !keep.Bool(0) || keep.Bool(1) {
		t.Errorf("got %v and %v", n.Int64s(), keep)
	}
	// The last row's first column fits and its second does not: neither is there.
	if rejected.At(0) != nil || rejected.At(2) != "-1 is negative" || n.Valid(3) || !strings.Contains(rejected.Text(3), `"text"`) {
		t.Errorf("got %v, %v, %v", rejected.At(0), rejected.At(2), rejected.At(3))
	}
}

func TestOneRowBecomesSeveral(t *testing.T) {
	output := shaped(t, halves{fanOut: true}, int64(4), nil, int64(6))
	n, sources, ops := output.Columns[0].Read(), output.SourceRows.Read(), output.Ops.Read()
	if !slices.Equal(n.Int64s(), []int64{4, 5, 6, 7}) || !slices.Equal(sources.Int32s(), []int32{0, 0, 2, 2}) {
		t.Errorf("got %v from %v", n.Int64s(), sources.Int32s())
	}
	if ops.At(0) != nil || ops.At(1) != "D" {
		t.Errorf("got %v and %v", ops.At(0), ops.At(1))
	}
}

func TestDatesAndTimestampsAreTimes(t *testing.T) {
	for _, day := range []Date{-719162, -1, 0, 19782} {
		if got := DateOf(day.Time().Add(23 * time.Hour)); got != day {
			t.Errorf("%d became %d", day, got)
		}
	}
	moment := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
	if got := TimestampOf(moment).Time(); !got.Equal(moment) {
		t.Errorf("%v became %v", moment, got)
	}
}

func TestBytesAreNotGrownIntoTheirNeighbours(t *testing.T) {
	builder := NewBuilder(TypeBinary, 2)
	builder.AppendBytes([]byte("ab"))
	builder.AppendBytes([]byte("cd"))
	values := builder.Column().Read()
	_ = append(values.Bytes(0), 'x')
	if !bytes.Equal(values.Bytes(1), []byte("cd")) {
		t.Errorf("got %q", values.Bytes(1))
	}
}
