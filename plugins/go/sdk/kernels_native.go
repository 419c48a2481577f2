//go:build !wasip1

package sluice

import "unsafe"

const kernelsElsewhere = "kernels are run by sluice: try this transform with `sluice plugin test`"

func kernelLower(uint32) uint32                             { panic(kernelsElsewhere) }
func kernelUpper(uint32) uint32                             { panic(kernelsElsewhere) }
func kernelTrim(uint32) uint32                              { panic(kernelsElsewhere) }
func kernelLength(uint32) uint32                            { panic(kernelsElsewhere) }
func kernelSubstring(uint32, int32, uint32, uint32) uint32  { panic(kernelsElsewhere) }
func kernelSplitPart(uint32, string, uint32) uint32         { panic(kernelsElsewhere) }
func kernelReplace(uint32, string, string) uint32           { panic(kernelsElsewhere) }
func kernelPadStart(uint32, uint32, string) uint32          { panic(kernelsElsewhere) }
func kernelConcat(unsafe.Pointer, uint32, string) uint32    { panic(kernelsElsewhere) }
func kernelStartsWith(uint32, string) uint32                { panic(kernelsElsewhere) }
func kernelEndsWith(uint32, string) uint32                  { panic(kernelsElsewhere) }
func kernelContains(uint32, string) uint32                  { panic(kernelsElsewhere) }
func kernelRegexMatches(uint32, string) uint32              { panic(kernelsElsewhere) }
func kernelRegexExtract(uint32, string, uint32) uint32      { panic(kernelsElsewhere) }
func kernelRegexReplace(uint32, string, string) uint32      { panic(kernelsElsewhere) }
func kernelJSONField(uint32, string) uint32                 { panic(kernelsElsewhere) }
func kernelHMAC(uint32, unsafe.Pointer, uint32) uint32      { panic(kernelsElsewhere) }
func kernelSHA256(uint32) uint32                            { panic(kernelsElsewhere) }
func kernelKeyedHash(uint32, unsafe.Pointer, uint32) uint32 { panic(kernelsElsewhere) }
func kernelMask(uint32, uint32, uint32, string) uint32      { panic(kernelsElsewhere) }
func kernelHex(uint32) uint32                               { panic(kernelsElsewhere) }
func kernelBase64(uint32) uint32                            { panic(kernelsElsewhere) }
func kernelCast(uint32, string) uint32                      { panic(kernelsElsewhere) }
func kernelAdd(uint32, uint32) uint32                       { panic(kernelsElsewhere) }
func kernelSubtract(uint32, uint32) uint32                  { panic(kernelsElsewhere) }
func kernelMultiply(uint32, uint32) uint32                  { panic(kernelsElsewhere) }
func kernelDivide(uint32, uint32) uint32                    { panic(kernelsElsewhere) }
func kernelRemainder(uint32, uint32) uint32                 { panic(kernelsElsewhere) }
func kernelRound(uint32, int32) uint32                      { panic(kernelsElsewhere) }
func kernelAbs(uint32) uint32                               { panic(kernelsElsewhere) }
func kernelEqual(uint32, uint32) uint32                     { panic(kernelsElsewhere) }
func kernelNotEqual(uint32, uint32) uint32                  { panic(kernelsElsewhere) }
func kernelLess(uint32, uint32) uint32                      { panic(kernelsElsewhere) }
func kernelLessOrEqual(uint32, uint32) uint32               { panic(kernelsElsewhere) }
func kernelGreater(uint32, uint32) uint32                   { panic(kernelsElsewhere) }
func kernelGreaterOrEqual(uint32, uint32) uint32            { panic(kernelsElsewhere) }
func kernelIsIn(uint32, unsafe.Pointer, uint32) uint32      { panic(kernelsElsewhere) }
func kernelIsNull(uint32) uint32                            { panic(kernelsElsewhere) }
func kernelBoth(uint32, uint32) uint32                      { panic(kernelsElsewhere) }
func kernelEither(uint32, uint32) uint32                    { panic(kernelsElsewhere) }
func kernelNegate(uint32) uint32                            { panic(kernelsElsewhere) }
func kernelCoalesce(unsafe.Pointer, uint32) uint32          { panic(kernelsElsewhere) }
func kernelChoose(uint32, uint32, uint32) uint32            { panic(kernelsElsewhere) }
func kernelFilter(uint32, uint32) uint32                    { panic(kernelsElsewhere) }
func kernelTake(uint32, uint32) uint32                      { panic(kernelsElsewhere) }
