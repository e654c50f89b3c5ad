#pragma once

#define ULNA_VERSION "0.1.0"
