#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "sluice.h"

/// Reads which kernel is to be called with what.
bool configure_call(sluice_setting settings, sluice_plan *plan);

/// Calls it.
bool call_kernel(const sluice_batch *batch, sluice_output *output);

#endif
