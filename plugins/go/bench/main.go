// What the benchmarks measure: the same work in every language, see benches/benches/transforms.rs.
package main

import (
	"fmt"
	"strings"

	"sluice"
)

type bench struct{}

func (bench) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	var settings struct{ Mode string }
	if err := setup.Decode(&settings); err != nil {
		return nil, err
	}
	if settings.Mode != "bytes" {
		return nil, fmt.Errorf("unknown mode %s", settings.Mode)
	}
	return &sluice.Plan{
		Reads:  []string{"email"},
		Writes: []sluice.OutputColumn{{Name: "email", Type: sluice.TypeString, Nullable: true}},
	}, nil
}

// Transform puts FNV-1a of the local part, 32 bits as hexadecimal digits, in its place.
func (bench) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	addresses := batch.Column("email").Read()
	builder := sluice.NewBuilder(sluice.TypeString, addresses.Len())
	var hidden []byte
	for row := range addresses.Len() {
		if !addresses.Valid(row) {
			builder.AppendNull()
			continue
		}
		address := addresses.Text(row)
		at := strings.IndexByte(address, '@')
		if at < 0 {
			at = len(address)
		}
		hash := uint32(0x811c9dc5)
		for _, letter := range []byte(address[:at]) {
			hash = (hash ^ uint32(letter)) * 0x01000193
		}
		hidden = hidden[:0]
		for shift := 28; shift >= 0; shift -= 4 {
			hidden = append(hidden, "0123456789abcdef"[hash>>shift&15])
		}
		hidden = append(hidden, address[at:]...)
		builder.AppendBytes(hidden)
	}
	return &sluice.Output{Columns: []sluice.Column{builder.Column()}}, nil
}

func main() {}

func init() { sluice.Register(bench{}) }
