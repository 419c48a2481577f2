//go:build wasip1

package sluice

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"structs"
	"unsafe"
)

// The records of transform.wit as the canonical ABI lays them out in memory.

type inputColumn struct {
	_              structs.HostLayout
	name, dataType list
	nullable, key  bool
}

type outputColumn struct {
	_              structs.HostLayout
	name, dataType list
	nullable       bool
	computedFrom   list
}

type planResult struct {
	_                    structs.HostLayout
	failed               bool
	reads, writes, drops list
	deletes              bool
	key                  list
	fanOut               bool
}

type option struct {
	_     structs.HostLayout
	some  bool
	value uint32
}

type outputResult struct {
	_                               structs.HostLayout
	failed                          bool
	columns                         list
	keep, sourceRows, rejected, ops option
}

// failure is a result of either kind that is an error: its message lies where the record would begin.
type failure struct {
	_       structs.HostLayout
	failed  bool
	message list
}

// An instance lives for one batch, so there is little worth collecting: rather take memory than time.
func init() { debug.SetGCPercent(400) }

// reads are the names that the plan of this instance wants to see.
var reads []string

//go:wasmexport configure
func configure(
	table unsafe.Pointer, tableLen uint32, settings unsafe.Pointer, settingsLen uint32, seed unsafe.Pointer, seedLen uint32,
	columns unsafe.Pointer, columnsLen uint32,
) unsafe.Pointer {
	setup := &Setup{
		Table:    textAt(table, tableLen),
		Settings: textAt(settings, settingsLen),
		Seed:     textAt(seed, seedLen),
		Columns:  make([]InputColumn, columnsLen),
	}
	for i, column := range recordsAt[inputColumn](columns, columnsLen) {
		setup.Columns[i] = InputColumn{
			Name:     liftString(column.name),
			Type:     Type(liftString(column.dataType)),
			Nullable: column.nullable,
			Key:      column.key,
		}
	}
	plan, err := attempt(func(t Transform) (*Plan, error) { return t.Configure(setup) })
	if err != nil {
		return failed(err)
	}
	reads = plan.Reads
	return lowerPlan(plan)
}

//go:wasmexport transform
func transform(rows uint32, columns unsafe.Pointer, columnsLen, ops, ordinals, times uint32) unsafe.Pointer {
	of := func(handle uint32) Column { return Column{handle: handle, known: int(rows) + 1, there: true} }
	batch := &Batch{Rows: int(rows), names: reads, Ops: of(ops), Ordinals: of(ordinals), Times: of(times)}
	for _, handle := range recordsAt[uint32](columns, columnsLen) {
		batch.columns = append(batch.columns, of(handle))
	}
	output, err := attempt(func(t Transform) (*Output, error) { return t.Transform(batch) })
	if err != nil {
		return failed(err)
	}
	return lowerOutput(output)
}

// attempt calls the transform. A panic becomes an error, so that its message reaches the host.
func attempt[T any](call func(Transform) (*T, error)) (answer *T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			answer, err = nil, fmt.Errorf("panic: %v%s", cause, place())
		}
	}()
	if registered == nil {
		return nil, errors.New("the component has no transform: call sluice.Register in an init function")
	}
	answer, err = call(registered)
	if err == nil && answer == nil {
		err = errors.New("the transform returned neither an answer nor an error")
	}
	return answer, err
}

// place names the line outside of this package and of Go's runtime that panicked.
func place() string {
	counters := make([]uintptr, 64)
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters)])
	for {
		frame, more := frames.Next()
		if frame.File != "" && !strings.HasPrefix(frame.Function, "runtime.") && !strings.HasPrefix(frame.Function, "sluice.") {
			return fmt.Sprintf(" (%s:%d)", frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

func lowerPlan(plan *Plan) unsafe.Pointer {
	writes := make([]outputColumn, len(plan.Writes))
	for i, column := range plan.Writes {
		writes[i] = outputColumn{
			name:         leaveString(column.Name),
			dataType:     leaveString(string(column.Type)),
			nullable:     column.Nullable,
			computedFrom: leave(lowerStrings(column.ComputedFrom)),
		}
	}
	return leaveRecord(&planResult{
		reads:   leave(lowerStrings(plan.Reads)),
		writes:  leave(writes),
		drops:   leave(lowerStrings(plan.Drops)),
		deletes: plan.Deletes,
		key:     leave(lowerStrings(plan.Key)),
		fanOut:  plan.FanOut,
	})
}

func lowerOutput(output *Output) unsafe.Pointer {
	if nowhere := missing(output); nowhere >= 0 {
		return failed(fmt.Errorf("the transform returned no column at place %d of Output.Columns", nowhere))
	}
	return leaveRecord(&outputResult{
		columns:    leave(handles(output.Columns)),
		keep:       lowerOption(output.Keep),
		sourceRows: lowerOption(output.SourceRows),
		rejected:   lowerOption(output.Rejected),
		ops:        lowerOption(output.Ops),
	})
}

func missing(output *Output) int {
	for i, column := range output.Columns {
		if !column.there {
			return i
		}
	}
	return -1
}

func lowerOption(column Column) option { return option{some: column.there, value: column.handle} }

func failed(err error) unsafe.Pointer {
	return leaveRecord(&failure{failed: true, message: leaveString(strings.ToValidUTF8(err.Error(), "\uFFFD"))})
}

func leaveRecord[T any](record *T) unsafe.Pointer {
	left = append(left, record)
	return unsafe.Pointer(record)
}

func textAt(at unsafe.Pointer, length uint32) string {
	return liftString(list{address: address(at), length: length})
}

func recordsAt[T any](at unsafe.Pointer, count uint32) []T {
	data := take(address(at), count*uint32(unsafe.Sizeof(*new(T))))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), count)
}
