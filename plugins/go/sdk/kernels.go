package sluice

import (
	"runtime"
	"unsafe"
)

// The kernels are functions over whole columns, run by the host at native speed. A null argument gives null unless it
// says otherwise. A value that cannot be computed (text that is no number, overflow, division by zero) gives null.
// Arguments of a wrong type, or of different numbers of rows, end the call with a message. Constants go with any number
// of rows.

// ---- text ----

// Lower returns the text in lower case, by Unicode's simple rules.
func (c Column) Lower() Column {
	return made(kernelLower(c.id()))
}

// Upper returns the text in upper case, by Unicode's simple rules.
func (c Column) Upper() Column {
	return made(kernelUpper(c.id()))
}

// Trim returns the text without white space at both ends.
func (c Column) Trim() Column {
	return made(kernelTrim(c.id()))
}

// Length returns the number of characters (of a string) or bytes (of a binary), as int.
func (c Column) Length() Column {
	return made(kernelLength(c.id()))
}

// Substring returns characters from start (0 is the first; a negative number counts from the end) on, at most length of
// them; all to the end without it.
func (c Column) Substring(start int32, length ...uint32) Column {
	if len(length) == 0 {
		return made(kernelSubstring(c.id(), start, 0, 0))
	}
	return made(kernelSubstring(c.id(), start, 1, length[0]))
}

// SplitPart returns the part number index (0 is the first) between separators; null where there are fewer.
// email.SplitPart("@", 0) is the local part of an address.
func (c Column) SplitPart(separator string, index uint32) Column {
	return made(kernelSplitPart(c.id(), separator, index))
}

// Replace returns the text with every occurrence of search replaced.
func (c Column) Replace(search, replacement string) Column {
	return made(kernelReplace(c.id(), search, replacement))
}

// PadStart fills the text up at the beginning with fill's first character until there are length characters.
func (c Column) PadStart(length uint32, fill string) Column {
	return made(kernelPadStart(c.id(), length, fill))
}

// Concat returns the texts one behind the other, with separator between them; null if any is null.
func Concat(parts []Column, separator string) Column {
	ids := handles(parts)
	defer runtime.KeepAlive(ids)
	return made(kernelConcat(unsafe.Pointer(unsafe.SliceData(ids)), uint32(len(ids)), separator))
}

// StartsWith says whether the text begins with prefix.
func (c Column) StartsWith(prefix string) Column {
	return made(kernelStartsWith(c.id(), prefix))
}

// EndsWith says whether the text ends with suffix.
func (c Column) EndsWith(suffix string) Column {
	return made(kernelEndsWith(c.id(), suffix))
}

// Contains says whether the text holds search.
func (c Column) Contains(search string) Column {
	return made(kernelContains(c.id(), search))
}

// RegexMatches says whether the regular expression matches anywhere in the text. The syntax is that of Rust's regex: no
// look-around and no back-references, so that the time is linear in the text.
func (c Column) RegexMatches(pattern string) Column {
	return made(kernelRegexMatches(c.id(), pattern))
}

// RegexExtract returns what group number group (0 is the whole match) of the first match holds; null without a match.
func (c Column) RegexExtract(pattern string, group uint32) Column {
	return made(kernelRegexExtract(c.id(), pattern, group))
}

// RegexReplace returns the text with every match replaced; $1 or ${name} in replacement stand for groups.
func (c Column) RegexReplace(pattern, replacement string) Column {
	return made(kernelRegexReplace(c.id(), pattern, replacement))
}

// JSONField returns what a JSON text holds at path, such as address.city or items[0].sku: texts without their quotes,
// null for JSON's null, a missing place or a text that is no JSON, everything else as JSON text.
func (c Column) JSONField(path string) Column {
	return made(kernelJSONField(c.id(), path))
}

// ---- pseudonyms ----

// HMAC returns the HMAC-SHA-256 of a string or binary, as binary of 32 bytes.
func (c Column) HMAC(key []byte) Column {
	defer runtime.KeepAlive(key)
	return made(kernelHMAC(c.id(), unsafe.Pointer(unsafe.SliceData(key)), uint32(len(key))))
}

// SHA256 returns the SHA-256 of a string or binary, as binary of 32 bytes. Without a key, so whoever can guess a value
// can check the guess: for pseudonyms use HMAC.
func (c Column) SHA256() Column {
	return made(kernelSHA256(c.id()))
}

// KeyedHash returns the SipHash-2-4 of a string or binary with a key of 16 bytes, as long. Quick, and for joins and
// buckets rather than for secrecy: 64 bits are few.
func (c Column) KeyedHash(key []byte) Column {
	defer runtime.KeepAlive(key)
	return made(kernelKeyedHash(c.id(), unsafe.Pointer(unsafe.SliceData(key)), uint32(len(key))))
}

// Mask returns the text with every character replaced by fill's first, but for keepStart at the beginning and keepEnd
// at the end; a text of no more characters than these two together is replaced whole.
func (c Column) Mask(keepStart, keepEnd uint32, fill string) Column {
	return made(kernelMask(c.id(), keepStart, keepEnd, fill))
}

// Hex returns a binary as hexadecimal digits in lower case.
func (c Column) Hex() Column {
	return made(kernelHex(c.id()))
}

// Base64 returns a binary as Base64 (RFC 4648, with padding).
func (c Column) Base64() Column {
	return made(kernelBase64(c.id()))
}

// ---- types ----

// Cast returns the column in another type; null where a value has no place in it. Text is written and read as in the
// tables' CSV: 2024-02-29, 13:45:00.123456, 2024-02-29 13:45:00.123456, true, -12.50. string and binary cast to each
// other by their bytes.
func (c Column) Cast(to Type) Column {
	return made(kernelCast(c.id(), string(to)))
}

// ---- numbers ----

// Add returns the sum.
func (c Column) Add(other Column) Column {
	return made(kernelAdd(c.id(), other.id()))
}

// Subtract returns the difference.
func (c Column) Subtract(other Column) Column {
	return made(kernelSubtract(c.id(), other.id()))
}

// Multiply returns the product.
func (c Column) Multiply(other Column) Column {
	return made(kernelMultiply(c.id(), other.id()))
}

// Divide returns the quotient; of integers the integral part.
func (c Column) Divide(other Column) Column {
	return made(kernelDivide(c.id(), other.id()))
}

// Remainder returns what is left of an integral division, with the sign of left.
func (c Column) Remainder(other Column) Column {
	return made(kernelRemainder(c.id(), other.id()))
}

// Round returns the number rounded to digits after the point, halves away from zero; the type stays, but a decimal's
// scale becomes digits (at least 0) where it was larger.
func (c Column) Round(digits int32) Column {
	return made(kernelRound(c.id(), digits))
}

// Abs returns the value without its sign.
func (c Column) Abs() Column {
	return made(kernelAbs(c.id()))
}

// ---- conditions: boolean ----

// Equal says whether both are equal.
func (c Column) Equal(other Column) Column {
	return made(kernelEqual(c.id(), other.id()))
}

// NotEqual says whether they differ.
func (c Column) NotEqual(other Column) Column {
	return made(kernelNotEqual(c.id(), other.id()))
}

// Less says whether left is smaller.
func (c Column) Less(other Column) Column {
	return made(kernelLess(c.id(), other.id()))
}

// LessOrEqual says whether left is smaller or equal.
func (c Column) LessOrEqual(other Column) Column {
	return made(kernelLessOrEqual(c.id(), other.id()))
}

// Greater says whether left is larger.
func (c Column) Greater(other Column) Column {
	return made(kernelGreater(c.id(), other.id()))
}

// GreaterOrEqual says whether left is larger or equal.
func (c Column) GreaterOrEqual(other Column) Column {
	return made(kernelGreaterOrEqual(c.id(), other.id()))
}

// IsIn says whether the value is one of values, each read as a cast from string reads it.
func (c Column) IsIn(values ...string) Column {
	list := lowerStrings(values)
	defer runtime.KeepAlive(list)
	return made(kernelIsIn(c.id(), unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list))))
}

// IsNull says whether there is no value. Never null.
func (c Column) IsNull() Column {
	return made(kernelIsNull(c.id()))
}

// Both returns whether both sides are true; it is false with one false side even if the other is null.
func (c Column) Both(other Column) Column {
	return made(kernelBoth(c.id(), other.id()))
}

// Either returns whether at least one side is true; it is true with one true side even if the other is null.
func (c Column) Either(other Column) Column {
	return made(kernelEither(c.id(), other.id()))
}

// Negate returns the opposite.
func (c Column) Negate() Column {
	return made(kernelNegate(c.id()))
}

// ---- choice ----

// Coalesce returns the first value that is not null.
func Coalesce(choices ...Column) Column {
	ids := handles(choices)
	defer runtime.KeepAlive(ids)
	return made(kernelCoalesce(unsafe.Pointer(unsafe.SliceData(ids)), uint32(len(ids))))
}

// Choose returns then where the condition is true, otherwise where it is false or null. Both of one type.
func (c Column) Choose(then, otherwise Column) Column {
	return made(kernelChoose(c.id(), then.id(), otherwise.id()))
}

// Filter returns the rows where the condition is true.
func (c Column) Filter(condition Column) Column {
	return made(kernelFilter(c.id(), condition.id()))
}

// Take returns rows by their numbers (int, 0 is the first), in this order, repeated if wanted; null for null.
func (c Column) Take(rows Column) Column {
	return made(kernelTake(c.id(), rows.id()))
}
