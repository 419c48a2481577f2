//go:build !wasip1

package sluice

import (
	"fmt"
	"slices"
	"strconv"
)

// A stand-in for the host outside of WebAssembly, so that code that reads and makes columns runs in go test.

type heldColumn struct {
	dataType                  string
	validity, offsets, values []byte
}

// held are the columns made so far; what tests make is little and lives as long as they do.
var held []heldColumn

func hostTypeOf(of uint32) string { return held[of].dataType }

func hostRead(of uint32) (validity, offsets, values []byte) {
	column := held[of]
	return slices.Clone(column.validity), slices.Clone(column.offsets), slices.Clone(column.values)
}

func hostMake(dataType string, _ int, validity, offsets, values []byte) uint32 {
	held = append(held, heldColumn{dataType, slices.Clone(validity), slices.Clone(offsets), slices.Clone(values)})
	return uint32(len(held) - 1)
}

func hostConstant(dataType, value string, some bool) uint32 {
	builder := NewBuilder(Type(dataType), 1)
	if !some {
		builder.AppendNull()
	} else if err := builder.Append(parsed(Type(dataType), value)); err != nil {
		panic(err)
	}
	return builder.Column().handle
}

// parsed reads a constant's text. Dates and times are read by sluice alone.
func parsed(as Type, text string) any {
	var value any
	var err error
	switch as {
	case TypeString:
		value = text
	case TypeBinary:
		value = []byte(text)
	case TypeBoolean:
		value, err = strconv.ParseBool(text)
	case TypeInt:
		var number int64
		number, err = strconv.ParseInt(text, 10, 32)
		value = int32(number)
	case TypeLong:
		value, err = strconv.ParseInt(text, 10, 64)
	case TypeFloat:
		var number float64
		number, err = strconv.ParseFloat(text, 32)
		value = float32(number)
	case TypeDouble:
		value, err = strconv.ParseFloat(text, 64)
	default:
		if _, _, ok := as.Decimal(); !ok {
			panic(fmt.Sprintf("constants of type %s are read by sluice alone: %s", as, kernelsElsewhere))
		}
		value, err = ParseDecimal(text)
	}
	if err != nil {
		panic(fmt.Sprintf("%q is no %s", text, as))
	}
	return value
}

// Logged are the lines that were logged outside of WebAssembly, for tests.
var Logged []string

func hostLog(_ uint32, message string) { Logged = append(Logged, message) }

func hostMetric(string, float64) {}

type list struct{}

func lowerStrings(texts []string) []list { return make([]list, len(texts)) }
