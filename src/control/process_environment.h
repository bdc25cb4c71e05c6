#pragma once
// Descriptors that one of our processes leaves to the next by exec, named in its environment.

#include "control/descriptor.h"

namespace sluice::control {

inline constexpr const char* channel_variable = "SLUICE_CHANNEL";                    // supervisor to gateway process
inline constexpr const char* supervisor_state_variable = "SLUICE_SUPERVISOR_STATE";  // to itself, as another binary

void set_inherited(int descriptor, bool is_inherited);  // kept over exec, or not
void put_inherited(const char* variable, int descriptor);
void drop_inherited(const char* variable);
// Empty when the variable is not there or names nothing that is open. Takes it out of the environment, and the
// descriptor out of what is inherited further.
Descriptor take_inherited(const char* variable);

}  // namespace sluice::control
