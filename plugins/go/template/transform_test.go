package main

import (
	"testing"

	"sluice"
)

func TestTheColumnIsReadAndWritten(t *testing.T) {
	plan, err := new(lower).Configure(&sluice.Setup{
		Table:    "shop.customers",
		Settings: `{"column": "email"}`,
		Columns:  []sluice.InputColumn{{Name: "id", Type: sluice.TypeLong, Key: true}, {Name: "email", Type: sluice.TypeString}},
	})
	if err != nil || len(plan.Writes) != 1 || plan.Writes[0].Name != "email" {
		t.Errorf("got %v and %v", plan, err)
	}
}

func TestAColumnThatIsNotThereIsRefused(t *testing.T) {
	setup := &sluice.Setup{Table: "shop.customers", Settings: `{"column": "mail"}`}
	if _, err := new(lower).Configure(setup); err == nil {
		t.Error("no error")
	}
}
