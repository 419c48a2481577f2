package sluice

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Type is a column's type, written as in the Iceberg specification.
type Type string

// The types; decimals are made by [TypeDecimal].
const (
	TypeBoolean     Type = "boolean"
	TypeInt         Type = "int"
	TypeLong        Type = "long"
	TypeFloat       Type = "float"
	TypeDouble      Type = "double"
	TypeDate        Type = "date"
	TypeTime        Type = "time"
	TypeTimestamp   Type = "timestamp"
	TypeTimestampTZ Type = "timestamptz"
	TypeString      Type = "string"
	TypeBinary      Type = "binary"
)

// TypeDecimal is the type decimal(precision,scale).
func TypeDecimal(precision, scale int) Type {
	return Type(fmt.Sprintf("decimal(%d,%d)", precision, scale))
}

// Decimal returns the digits of a decimal type, all in all and after the point, and whether it is one.
func (t Type) Decimal() (precision, scale int, ok bool) {
	inner, found := strings.CutPrefix(string(t), "decimal(")
	inner, closed := strings.CutSuffix(inner, ")")
	before, after, both := strings.Cut(inner, ",")
	if !found || !closed || !both {
		return 0, 0, false
	}
	precision, errBefore := strconv.Atoi(strings.TrimSpace(before))
	scale, errAfter := strconv.Atoi(strings.TrimSpace(after))
	return precision, scale, errBefore == nil && errAfter == nil
}

// layout is how a type's values lie in a column's bytes.
type layout int

const (
	layoutBits layout = iota
	layoutFour
	layoutEight
	layoutSixteen
	layoutText
)

func (t Type) layout() layout {
	switch t {
	case TypeBoolean:
		return layoutBits
	case TypeInt, TypeDate, TypeFloat:
		return layoutFour
	case TypeLong, TypeTime, TypeTimestamp, TypeTimestampTZ, TypeDouble:
		return layoutEight
	case TypeString, TypeBinary:
		return layoutText
	}
	if _, _, ok := t.Decimal(); ok {
		return layoutSixteen
	}
	panic(fmt.Sprintf("there is no type %q", t))
}

// Date is days since 1970-01-01.
type Date int32

// DateOf returns the date of a time.
func DateOf(t time.Time) Date {
	seconds := t.UTC().Unix()
	days := seconds / 86400
	if seconds%86400 < 0 {
		days--
	}
	return Date(days)
}

// Time returns the date's midnight in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// TimeOfDay is microseconds since midnight.
type TimeOfDay int64

// Duration returns the time since midnight.
func (t TimeOfDay) Duration() time.Duration { return time.Duration(t) * time.Microsecond }

// Timestamp is microseconds since 1970-01-01, in UTC if it has a zone.
type Timestamp int64

// TimestampOf returns the timestamp of a time.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMicro()) }

// Time returns the timestamp as a time in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }
