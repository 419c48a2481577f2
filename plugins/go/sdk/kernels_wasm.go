//go:build wasip1

package sluice

import "unsafe"

// The host's kernels, as the canonical ABI lowers them.

//go:wasmimport sluice:transform/kernels@1.0.0 lower
func kernelLower(text uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 upper
func kernelUpper(text uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 trim
func kernelTrim(text uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 length
func kernelLength(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 substring
func kernelSubstring(text uint32, start int32, hasLength uint32, length uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 split-part
func kernelSplitPart(text uint32, separator string, index uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 replace
func kernelReplace(text uint32, search string, replacement string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 pad-start
func kernelPadStart(text uint32, length uint32, fill string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 concat
func kernelConcat(parts unsafe.Pointer, partsLen uint32, separator string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 starts-with
func kernelStartsWith(text uint32, prefix string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 ends-with
func kernelEndsWith(text uint32, suffix string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 contains
func kernelContains(text uint32, search string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 regex-matches
func kernelRegexMatches(text uint32, pattern string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 regex-extract
func kernelRegexExtract(text uint32, pattern string, group uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 regex-replace
func kernelRegexReplace(text uint32, pattern string, replacement string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 json-field
func kernelJSONField(text uint32, path string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 hmac
func kernelHMAC(of uint32, key unsafe.Pointer, keyLen uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 sha256
func kernelSHA256(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 keyed-hash
func kernelKeyedHash(of uint32, key unsafe.Pointer, keyLen uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 mask
func kernelMask(text uint32, keepStart uint32, keepEnd uint32, fill string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 hex
func kernelHex(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 base64
func kernelBase64(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 cast
func kernelCast(of uint32, dataType string) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 add
func kernelAdd(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 subtract
func kernelSubtract(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 multiply
func kernelMultiply(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 divide
func kernelDivide(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 remainder
func kernelRemainder(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 round
func kernelRound(of uint32, digits int32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 abs
func kernelAbs(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 equal
func kernelEqual(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 not-equal
func kernelNotEqual(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 less
func kernelLess(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 less-or-equal
func kernelLessOrEqual(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 greater
func kernelGreater(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 greater-or-equal
func kernelGreaterOrEqual(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 is-in
func kernelIsIn(of uint32, values unsafe.Pointer, valuesLen uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 is-null
func kernelIsNull(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 both
func kernelBoth(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 either
func kernelEither(left uint32, right uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 negate
func kernelNegate(of uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 coalesce
func kernelCoalesce(choices unsafe.Pointer, choicesLen uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 choose
func kernelChoose(condition uint32, then uint32, otherwise uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 filter
func kernelFilter(of uint32, condition uint32) uint32

//go:wasmimport sluice:transform/kernels@1.0.0 take
func kernelTake(of uint32, rows uint32) uint32
