package sluice

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// maxDigits is what a decimal holds.
const maxDigits = 38

// Decimal is a decimal number of at most 38 digits: an integer of 128 bits, divided by ten to the scale.
type Decimal struct {
	high  int64
	low   uint64
	scale int
}

// NewDecimal returns unscaled divided by ten to the scale.
func NewDecimal(unscaled int64, scale int) Decimal {
	return Decimal{high: unscaled >> 63, low: uint64(unscaled), scale: scale}
}

// DecimalOf returns unscaled divided by ten to the scale; false if it has more than 38 digits.
func DecimalOf(unscaled *big.Int, scale int) (Decimal, bool) {
	if new(big.Int).Abs(unscaled).Cmp(limit) >= 0 {
		return Decimal{}, false
	}
	word := new(big.Int).And(unscaled, lowWord)
	high := new(big.Int).Rsh(unscaled, 64)
	return Decimal{high: high.Int64(), low: word.Uint64(), scale: scale}, true
}

var (
	limit   = new(big.Int).Exp(big.NewInt(10), big.NewInt(maxDigits), nil)
	lowWord = new(big.Int).SetUint64(^uint64(0))
)

// ParseDecimal reads a number such as -12.50; its scale is the number of digits after the point.
func ParseDecimal(text string) (Decimal, error) {
	digits, scale := text, 0
	if before, after, found := strings.Cut(text, "."); found {
		digits, scale = before+after, len(after)
	}
	sign := strings.TrimLeft(digits, "+-")
	plain := len(digits)-len(sign) <= 1 && sign != "" && strings.Trim(sign, "0123456789") == ""
	unscaled, ok := new(big.Int).SetString(digits, 10)
	if !plain || !ok {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", text)
	}
	if d, ok := DecimalOf(unscaled, scale); ok && scale <= maxDigits {
		return d, nil
	}
	return Decimal{}, fmt.Errorf("%s has more than %d digits", text, maxDigits)
}

// Scale returns the number of digits after the point.
func (d Decimal) Scale() int { return d.scale }

// Unscaled returns the number times ten to the scale.
func (d Decimal) Unscaled() *big.Int {
	word := new(big.Int).SetUint64(d.low)
	return word.Add(word, new(big.Int).Lsh(big.NewInt(d.high), 64))
}

// String writes the number as in -12.50.
func (d Decimal) String() string {
	unscaled := d.Unscaled()
	digits := new(big.Int).Abs(unscaled).String()
	if d.scale > 0 {
		if missing := d.scale + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		point := len(digits) - d.scale
		digits = digits[:point] + "." + digits[point:]
	}
	if unscaled.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// Multiply returns the exact product, whose scale is the sum of both; false if it has more than 38 digits.
func (d Decimal) Multiply(by Decimal) (Decimal, bool) {
	scale := d.scale + by.scale
	left, leftNegative, leftSmall := d.magnitude()
	right, rightNegative, rightSmall := by.magnitude()
	if leftSmall && rightSmall {
		// Two numbers below 2^63 make less than 2^126, which is less than ten to the 38.
		high, low := bits.Mul64(left, right)
		return signed(high, low, leftNegative != rightNegative, scale), true
	}
	return DecimalOf(new(big.Int).Mul(d.Unscaled(), by.Unscaled()), scale)
}

// Round returns the number with this many digits after the point, halves away from zero; false if it then has more than
// 38 digits.
func (d Decimal) Round(scale int) (Decimal, bool) {
	switch {
	case scale == d.scale:
		return d, true
	case scale > d.scale:
		return DecimalOf(new(big.Int).Mul(d.Unscaled(), power(scale-d.scale)), scale)
	case d.scale-scale < len(tens):
		high, low, negative := d.words()
		by := tens[d.scale-scale]
		quotientHigh, rest := bits.Div64(0, high, by)
		quotientLow, rest := bits.Div64(rest, low, by)
		// rest < by <= 10^18, so doubling it does not overflow.
		quotientLow, carry := bits.Add64(quotientLow, b2u(rest*2 >= by), 0)
		return signed(quotientHigh+carry, quotientLow, negative, scale), true
	default:
		by := power(d.scale - scale)
		half := new(big.Int).Rsh(by, 1)
		unscaled := d.Unscaled()
		if unscaled.Sign() < 0 {
			half.Neg(half)
		}
		return DecimalOf(unscaled.Quo(unscaled.Add(unscaled, half), by), scale)
	}
}

// Compare returns -1, 0 or 1 as d is smaller than, equal to or larger than other.
func (d Decimal) Compare(other Decimal) int {
	left, right := d.Unscaled(), other.Unscaled()
	if d.scale < other.scale {
		left.Mul(left, power(other.scale-d.scale))
	} else if other.scale < d.scale {
		right.Mul(right, power(d.scale-other.scale))
	}
	return left.Cmp(right)
}

// digits returns how many digits the number has without its sign.
func (d Decimal) digits() int {
	return len(new(big.Int).Abs(d.Unscaled()).String())
}

// words returns the number without its sign as two words.
func (d Decimal) words() (high, low uint64, negative bool) {
	if d.high >= 0 {
		return uint64(d.high), d.low, false
	}
	low, borrow := bits.Sub64(0, d.low, 0)
	high, _ = bits.Sub64(0, uint64(d.high), borrow)
	return high, low, true
}

// magnitude returns the number without its sign, if that is below 2^63.
func (d Decimal) magnitude() (magnitude uint64, negative, small bool) {
	high, low, negative := d.words()
	return low, negative, high == 0 && low < 1<<63
}

func signed(high, low uint64, negative bool, scale int) Decimal {
	if negative {
		var borrow uint64
		low, borrow = bits.Sub64(0, low, 0)
		high, _ = bits.Sub64(0, high, borrow)
	}
	return Decimal{high: int64(high), low: low, scale: scale}
}

func b2u(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// tens are the powers of ten up to 10^18.
var tens = func() (powers [19]uint64) {
	powers[0] = 1
	for i := 1; i < len(powers); i++ {
		powers[i] = powers[i-1] * 10
	}
	return powers
}()

func power(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

func decimalFrom(data []byte, scale int) Decimal {
	return Decimal{
		low:   binary.LittleEndian.Uint64(data),
		high:  int64(binary.LittleEndian.Uint64(data[8:])),
		scale: scale,
	}
}

func (d Decimal) append(data []byte) []byte {
	data = binary.LittleEndian.AppendUint64(data, d.low)
	return binary.LittleEndian.AppendUint64(data, uint64(d.high))
}
