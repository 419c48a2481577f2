// Gives amounts in any currency a column in one, by rates from the settings. A row whose currency has no rate is rejected.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice"
)

// money is the type of what is written.
var money = sluice.TypeDecimal(18, 2)

// digits are those after the point of what is written.
const digits = 2

// normalise is the transform, with its settings.
type normalise struct {
	// Amount and Currency name the columns that are read, Into the one that is written.
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	Into     string `json:"into"`
	// Rates say what one unit of a currency is worth.
	Rates map[string]json.Number `json:"rates"`

	rates map[string]sluice.Decimal
}

// Configure reads the settings and checks the columns that they name.
func (n *normalise) Configure(setup *sluice.Setup) (*sluice.Plan, error) {
	*n = normalise{}
	if err := setup.Decode(n); err != nil {
		return nil, err
	}
	amount, err := setup.Column(n.Amount)
	if err != nil {
		return nil, fmt.Errorf("amount: %w", err)
	}
	if _, _, ok := amount.Type.Decimal(); !ok {
		return nil, fmt.Errorf("amount: column %q is a %s, and has to be a decimal", amount.Name, amount.Type)
	}
	currency, err := setup.Column(n.Currency)
	if err != nil {
		return nil, fmt.Errorf("currency: %w", err)
	}
	if currency.Type != sluice.TypeString {
		return nil, fmt.Errorf("currency: column %q is a %s, and has to be a string", currency.Name, currency.Type)
	}
	if n.Into == "" {
		return nil, errors.New("into: name the column that is written")
	}
	if n.rates, err = readRates(n.Rates); err != nil {
		return nil, err
	}
	return &sluice.Plan{
		Reads:  []string{n.Amount, n.Currency},
		Writes: []sluice.OutputColumn{{Name: n.Into, Type: money, Nullable: true}},
	}, nil
}

func readRates(texts map[string]json.Number) (map[string]sluice.Decimal, error) {
	if len(texts) == 0 {
		return nil, errors.New("rates: give a rate for each currency")
	}
	rates := make(map[string]sluice.Decimal, len(texts))
	for currency, text := range texts {
		rate, err := sluice.ParseDecimal(text.String())
		if err != nil {
			return nil, fmt.Errorf("rates: %s: %w", currency, err)
		}
		rates[code(currency)] = rate
	}
	return rates, nil
}

// Transform computes in Go what no kernel does: a rate is looked up for each row.
func (n *normalise) Transform(batch *sluice.Batch) (*sluice.Output, error) {
	amounts, currencies := batch.Column(n.Amount).Read(), batch.Column(n.Currency).Read()
	into := sluice.NewBuilder(money, batch.Rows)
	rejected := sluice.NewBuilder(sluice.TypeString, batch.Rows)
	for row := range batch.Rows {
		if !amounts.Valid(row) {
			into.AppendNull()
			rejected.AppendNull()
			continue
		}
		var currency string
		if currencies.Valid(row) {
			currency = currencies.Text(row)
		}
		converted, err := n.convert(amounts.Decimal(row), currency)
		if err == nil {
			err = into.AppendDecimal(converted)
		}
		if err != nil {
			into.AppendNull()
			rejected.AppendText(err.Error())
			continue
		}
		rejected.AppendNull()
	}
	return &sluice.Output{Columns: []sluice.Column{into.Column()}, Rejected: rejected.Column()}, nil
}

// convert returns what an amount is worth, halves rounded away from zero.
func (n *normalise) convert(amount sluice.Decimal, currency string) (sluice.Decimal, error) {
	currency = code(currency)
	if currency == "" {
		return sluice.Decimal{}, fmt.Errorf("the amount %s has no currency", amount)
	}
	rate, known := n.rates[currency]
	if !known {
		return sluice.Decimal{}, fmt.Errorf("there is no rate for the currency %q", currency)
	}
	product, fits := amount.Multiply(rate)
	if fits {
		product, fits = product.Round(digits)
	}
	if !fits {
		return sluice.Decimal{}, fmt.Errorf("%s %s is too much to be converted", amount, currency)
	}
	return product, nil
}

// code brings a currency's code to the form in which rates are kept.
func code(currency string) string {
	return strings.ToUpper(strings.TrimSpace(currency))
}

func init() { sluice.Register(&normalise{}) }

func main() {}
