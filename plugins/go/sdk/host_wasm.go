//go:build wasip1

package sluice

import (
	"fmt"
	"runtime"
	"structs"
	"unsafe"
)

// The host's columns and diagnostics, as the canonical ABI lowers them: a string or list is its address and length, an
// answer of more than one number is written to an address that is given last.

//go:wasmimport sluice:transform/columns@1.0.0 type-of
func columnsTypeOf(of uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/columns@1.0.0 read
func columnsRead(of uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/columns@1.0.0 make
func columnsMake(
	dataType string, rows uint32,
	validity unsafe.Pointer, validityLen uint32, offsets unsafe.Pointer, offsetsLen uint32,
	values unsafe.Pointer, valuesLen uint32,
) uint32

//go:wasmimport sluice:transform/columns@1.0.0 constant
func columnsConstant(dataType string, some uint32, value string) uint32

//go:wasmimport sluice:transform/diagnostics@1.0.0 log
func diagnosticsLog(level uint32, message string)

//go:wasmimport sluice:transform/diagnostics@1.0.0 metric
func diagnosticsMetric(name string, add float64)

// answer is where the host writes what it answers: no goroutine's stack, since stacks move.
var answer [3]list

func hostTypeOf(of uint32) string {
	columnsTypeOf(of, unsafe.Pointer(&answer))
	return liftString(answer[0])
}

func hostRead(of uint32) (validity, offsets, values []byte) {
	columnsRead(of, unsafe.Pointer(&answer))
	return lift(answer[0]), lift(answer[1]), lift(answer[2])
}

func hostMake(dataType string, rows int, validity, offsets, values []byte) uint32 {
	defer runtime.KeepAlive(validity)
	defer runtime.KeepAlive(offsets)
	defer runtime.KeepAlive(values)
	return columnsMake(
		dataType, uint32(rows),
		unsafe.Pointer(unsafe.SliceData(validity)), uint32(len(validity)),
		unsafe.Pointer(unsafe.SliceData(offsets)), uint32(len(offsets)),
		unsafe.Pointer(unsafe.SliceData(values)), uint32(len(values)),
	)
}

func hostConstant(dataType, value string, some bool) uint32 {
	if !some {
		return columnsConstant(dataType, 0, "")
	}
	return columnsConstant(dataType, 1, value)
}

func hostLog(level uint32, message string) { diagnosticsLog(level, message) }

func hostMetric(name string, add float64) { diagnosticsMetric(name, add) }

// list is a string or list in memory: addresses have 32 bits there, while Go's pointers have 64.
type list struct {
	_       structs.HostLayout
	address uint32
	length  uint32
}

// arrived is what the host wrote and nobody took yet, by address; left is what the host is going to read. Both keep the
// garbage collector off. An instance lives for one batch, so left is never emptied.
var (
	arrived = map[uint32][]byte{}
	left    []any
)

// empty is where lists of no bytes lie.
var empty [2]uint64

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&empty)
	}
	if align > 8 {
		panic(fmt.Sprintf("the host asks for memory aligned to %d bytes", align))
	}
	// Words, so that every number in them is aligned.
	words := make([]uint64, (size+7)/8)
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), size)
	if oldSize > 0 {
		copy(data, take(address(old), oldSize))
	}
	start := unsafe.Pointer(unsafe.SliceData(data))
	arrived[address(start)] = data
	return start
}

func address(of unsafe.Pointer) uint32 { return uint32(uintptr(of)) }

func take(at, size uint32) []byte {
	if size == 0 {
		return nil
	}
	data, ok := arrived[at]
	if !ok || uint32(len(data)) < size {
		panic(fmt.Sprintf("the host passes %d bytes that it did not ask memory for", size))
	}
	delete(arrived, at)
	return data[:size:size]
}

func lift(of list) []byte { return take(of.address, of.length) }

func liftString(of list) string {
	data := lift(of)
	return unsafe.String(unsafe.SliceData(data), len(data))
}

// leave keeps a list where the host finds it.
func leave[T any](items []T) list {
	if len(items) == 0 {
		return list{address: address(unsafe.Pointer(&empty))}
	}
	left = append(left, items)
	return list{address: address(unsafe.Pointer(unsafe.SliceData(items))), length: uint32(len(items))}
}

func leaveString(text string) list { return leave([]byte(text)) }

// lowerStrings makes a list of strings for the host to read.
func lowerStrings(texts []string) []list {
	lists := make([]list, len(texts))
	for i, text := range texts {
		lists[i] = leaveString(text)
	}
	return lists
}
