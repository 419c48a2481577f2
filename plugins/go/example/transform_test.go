package main

import (
	"math/big"
	"strings"
	"testing"

	"sluice"
)

var (
	amountType = sluice.TypeDecimal(12, 2)
	table      = []sluice.InputColumn{
		{Name: "id", Type: sluice.TypeLong, Key: true},
		{Name: "amount", Type: amountType, Nullable: true},
		{Name: "currency", Type: sluice.TypeString, Nullable: true},
	}
)

const settings = `{"amount": "amount", "currency": "currency", "into": "amount_eur",
	"rates": {"EUR": 1, "usd": "0.9215", "GBP": "1.1702"}}`

func configured(t *testing.T) *normalise {
	t.Helper()
	transform := &normalise{}
	if _, err := transform.Configure(&sluice.Setup{Table: "shop.orders", Settings: settings, Columns: table}); err != nil {
		t.Fatal(err)
	}
	return transform
}

func TestAmountsAreConvertedAndRounded(t *testing.T) {
	transform := configured(t)
	for _, test := range []struct{ amount, currency, want string }{
		{"100.00", "EUR", "100.00"},
		{"19.99", "USD", "18.42"},
		{"19.99", " usd ", "18.42"},
		{"-0.05", "GBP", "-0.06"},
		{"9999999999.99", "GBP", "11701999999.99"},
	} {
		amount, err := sluice.ParseDecimal(test.amount)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := transform.convert(amount, test.currency); err != nil || got.String() != test.want {
			t.Errorf("%s %s: got %s and %v, want %s", test.amount, test.currency, got, err, test.want)
		}
	}
}

func TestRowsWithoutARateAreRejected(t *testing.T) {
	amounts := sluice.NewBuilder(amountType, 4)
	currencies := sluice.NewBuilder(sluice.TypeString, 4)
	for _, row := range []struct{ amount, currency any }{
		{sluice.NewDecimal(1000, 2), "USD"},
		{sluice.NewDecimal(1250, 2), "XAU"},
		{nil, "GBP"},
		{sluice.NewDecimal(300, 2), nil},
	} {
		if err := amounts.Append(row.amount); err != nil {
			t.Fatal(err)
		}
		if err := currencies.Append(row.currency); err != nil {
			t.Fatal(err)
		}
	}
	batch := sluice.NewBatch(4, []string{"amount", "currency"}, amounts.Column(), currencies.Column())
	output, err := configured(t).Transform(batch)
	if err != nil {
		t.Fatal(err)
	}
	into, rejected := output.Columns[0].Read(), output.Rejected.Read()
	if got := into.Decimal(0); !into.Valid(0) || got.Unscaled().Cmp(big.NewInt(922)) != 0 {
		t.Errorf("row 0 is %s", got)
	}
	for row, reason := range []string{"", `there is no rate for the currency "XAU"`, "", "the amount 3.00 has no currency"} {
		if rejected.Valid(row) != (reason != "") || (reason != "" && rejected.Text(row) != reason) {
			t.Errorf("row %d is rejected for %v, want %q", row, rejected.At(row), reason)
		}
		if row > 0 && into.Valid(row) {
			t.Errorf("row %d has the value %v", row, into.At(row))
		}
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for _, test := range []struct{ settings, want string }{
		{`{"amount": "amount", "currency": "currency", "into": "x", "rates": {}}`, "rates"},
		{`{"amount": "price", "currency": "currency", "into": "x"}`, `no column "price"`},
		{`{"amount": "currency", "currency": "currency", "into": "x"}`, "has to be a decimal"},
		{`{"amount": "amount", "currency": "currency", "into": "x", "rates": {"EUR": 1e-9}}`, "EUR"},
		{`{"amounts": "amount"}`, "amounts"},
	} {
		setup := &sluice.Setup{Table: "shop.orders", Settings: test.settings, Columns: table}
		if _, err := new(normalise).Configure(setup); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.settings, err, test.want)
		}
	}
}
