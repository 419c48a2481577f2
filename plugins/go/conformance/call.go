package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"sluice"
)

// kernels are all of them, by their names in transform.wit.
var kernels = map[string]func(a *arguments) sluice.Column{
	"lower":            func(a *arguments) sluice.Column { return a.column(0).Lower() },
	"upper":            func(a *arguments) sluice.Column { return a.column(0).Upper() },
	"trim":             func(a *arguments) sluice.Column { return a.column(0).Trim() },
	"length":           func(a *arguments) sluice.Column { return a.column(0).Length() },
	"substring":        func(a *arguments) sluice.Column { return a.substring() },
	"split-part":       func(a *arguments) sluice.Column { return a.column(0).SplitPart(a.text(1), a.count(2)) },
	"replace":          func(a *arguments) sluice.Column { return a.column(0).Replace(a.text(1), a.text(2)) },
	"pad-start":        func(a *arguments) sluice.Column { return a.column(0).PadStart(a.count(1), a.text(2)) },
	"concat":           func(a *arguments) sluice.Column { return sluice.Concat(a.columns(0), a.text(1)) },
	"starts-with":      func(a *arguments) sluice.Column { return a.column(0).StartsWith(a.text(1)) },
	"ends-with":        func(a *arguments) sluice.Column { return a.column(0).EndsWith(a.text(1)) },
	"contains":         func(a *arguments) sluice.Column { return a.column(0).Contains(a.text(1)) },
	"regex-matches":    func(a *arguments) sluice.Column { return a.column(0).RegexMatches(a.text(1)) },
	"regex-extract":    func(a *arguments) sluice.Column { return a.column(0).RegexExtract(a.text(1), a.count(2)) },
	"regex-replace":    func(a *arguments) sluice.Column { return a.column(0).RegexReplace(a.text(1), a.text(2)) },
	"json-field":       func(a *arguments) sluice.Column { return a.column(0).JSONField(a.text(1)) },
	"hmac":             func(a *arguments) sluice.Column { return a.column(0).HMAC(a.bytes(1)) },
	"sha256":           func(a *arguments) sluice.Column { return a.column(0).SHA256() },
	"keyed-hash":       func(a *arguments) sluice.Column { return a.column(0).KeyedHash(a.bytes(1)) },
	"mask":             func(a *arguments) sluice.Column { return a.column(0).Mask(a.count(1), a.count(2), a.text(3)) },
	"hex":              func(a *arguments) sluice.Column { return a.column(0).Hex() },
	"base64":           func(a *arguments) sluice.Column { return a.column(0).Base64() },
	"cast":             func(a *arguments) sluice.Column { return a.column(0).Cast(sluice.Type(a.text(1))) },
	"add":              func(a *arguments) sluice.Column { return a.column(0).Add(a.column(1)) },
	"subtract":         func(a *arguments) sluice.Column { return a.column(0).Subtract(a.column(1)) },
	"multiply":         func(a *arguments) sluice.Column { return a.column(0).Multiply(a.column(1)) },
	"divide":           func(a *arguments) sluice.Column { return a.column(0).Divide(a.column(1)) },
	"remainder":        func(a *arguments) sluice.Column { return a.column(0).Remainder(a.column(1)) },
	"round":            func(a *arguments) sluice.Column { return a.column(0).Round(a.number(1)) },
	"abs":              func(a *arguments) sluice.Column { return a.column(0).Abs() },
	"equal":            func(a *arguments) sluice.Column { return a.column(0).Equal(a.column(1)) },
	"not-equal":        func(a *arguments) sluice.Column { return a.column(0).NotEqual(a.column(1)) },
	"less":             func(a *arguments) sluice.Column { return a.column(0).Less(a.column(1)) },
	"less-or-equal":    func(a *arguments) sluice.Column { return a.column(0).LessOrEqual(a.column(1)) },
	"greater":          func(a *arguments) sluice.Column { return a.column(0).Greater(a.column(1)) },
	"greater-or-equal": func(a *arguments) sluice.Column { return a.column(0).GreaterOrEqual(a.column(1)) },
	"is-in":            func(a *arguments) sluice.Column { return a.column(0).IsIn(a.texts(1)...) },
	"is-null":          func(a *arguments) sluice.Column { return a.column(0).IsNull() },
	"both":             func(a *arguments) sluice.Column { return a.column(0).Both(a.column(1)) },
	"either":           func(a *arguments) sluice.Column { return a.column(0).Either(a.column(1)) },
	"negate":           func(a *arguments) sluice.Column { return a.column(0).Negate() },
	"coalesce":         func(a *arguments) sluice.Column { return sluice.Coalesce(a.columns(0)...) },
	"choose":           func(a *arguments) sluice.Column { return a.column(0).Choose(a.column(1), a.column(2)) },
	"filter":           func(a *arguments) sluice.Column { return a.column(0).Filter(a.column(1)) },
	"take":             func(a *arguments) sluice.Column { return a.column(0).Take(a.column(1)) },
}

// call calls one kernel.
type call struct {
	settings  settings
	kernel    func(a *arguments) sluice.Column
	arguments []argument
}

func (c *call) Configure(*sluice.Setup) (*sluice.Plan, error) {
	if len(c.settings.Call) == 0 {
		return nil, fmt.Errorf("call names no kernel")
	}
	var name string
	if err := json.Unmarshal(c.settings.Call[0], &name); err != nil {
		return nil, fmt.Errorf("the name of a kernel is a text: %w", err)
	}
	var known bool
	if c.kernel, known = kernels[name]; !known {
		return nil, fmt.Errorf("there is no kernel %q", name)
	}
	reads := &names{seen: map[string]bool{}}
	for _, raw := range c.settings.Call[1:] {
		var argument argument
		if err := json.Unmarshal(raw, &argument); err != nil {
			return nil, fmt.Errorf("an argument of %s: %w", name, err)
		}
		c.arguments = append(c.arguments, argument)
		reads.of(argument)
	}
	plan := &sluice.Plan{Writes: []sluice.OutputColumn{{Name: "out", Type: c.settings.Type, Nullable: true}}}
	if c.settings.Sources != nil {
		reads.of(*c.settings.Sources)
		plan.FanOut, plan.Deletes, plan.Key = true, true, c.settings.Key
	}
	plan.Reads = reads.list
	return plan, nil
}

func (c *call) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	out := c.kernel(&arguments{batch: batch, list: c.arguments})
	output := &sluice.Output{Columns: []sluice.Column{out}}
	if c.settings.Sources != nil {
		sources := &arguments{batch: batch, list: []argument{*c.settings.Sources}}
		output.SourceRows = sources.column(0)
	}
	return output, nil
}

// argument is what a kernel is called with: one of these.
type argument struct {
	Column   string    `json:"column"`
	Columns  []operand `json:"columns"`
	Constant []*string `json:"constant"`
	Text     string    `json:"text"`
	Texts    []string  `json:"texts"`
	Number   *int64    `json:"number"`
	Bytes    string    `json:"bytes"`
	None     bool      `json:"none"`
}

// operand is a column's name, or a column or constant.
type operand struct{ argument }

func (o *operand) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &o.Column) == nil {
		return nil
	}
	return json.Unmarshal(data, &o.argument)
}

// names gathers the columns that arguments name.
type names struct {
	list []string
	seen map[string]bool
}

func (n *names) of(a argument) {
	if a.Column != "" && !n.seen[a.Column] {
		n.seen[a.Column] = true
		n.list = append(n.list, a.Column)
	}
	for _, operand := range a.Columns {
		n.of(operand.argument)
	}
}

type arguments struct {
	batch *sluice.Batch
	list  []argument
}

func (a *arguments) of(operand argument) sluice.Column {
	if len(operand.Constant) != 2 {
		return a.batch.Column(operand.Column)
	}
	as := sluice.Type(*operand.Constant[0])
	if operand.Constant[1] == nil {
		return sluice.NullConstant(as)
	}
	return sluice.Constant(as, *operand.Constant[1])
}

func (a *arguments) column(at int) sluice.Column { return a.of(a.list[at]) }

func (a *arguments) columns(at int) []sluice.Column {
	columns := make([]sluice.Column, len(a.list[at].Columns))
	for i, operand := range a.list[at].Columns {
		columns[i] = a.of(operand.argument)
	}
	return columns
}

func (a *arguments) text(at int) string { return a.list[at].Text }

func (a *arguments) texts(at int) []string { return a.list[at].Texts }

func (a *arguments) count(at int) uint32 { return uint32(*a.list[at].Number) }

func (a *arguments) number(at int) int32 { return int32(*a.list[at].Number) }

func (a *arguments) bytes(at int) []byte {
	bytes, err := hex.DecodeString(a.list[at].Bytes)
	if err != nil {
		panic(err)
	}
	return bytes
}

func (a *arguments) substring() sluice.Column {
	if a.list[2].None {
		return a.column(0).Substring(a.number(1))
	}
	return a.column(0).Substring(a.number(1), a.count(2))
}
