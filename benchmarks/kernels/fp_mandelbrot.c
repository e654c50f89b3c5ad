// Scalar double precision with a data-dependent loop exit and conversions.
#include "kernel.h"
uint64_t kernel(void) {
    uint64_t h = 0;
    for (int py = 0; py < 500; ++py) {
        for (int px = 0; px < 500; ++px) {
            const double cx = px / 250.0 - 1.5, cy = py / 250.0 - 1.0;
            double x = 0, y = 0;
            int n = 0;
            while (n < 800 && x * x + y * y < 4.0) {
                const double t = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = t;
                ++n;
            }
            h += (uint64_t)n;
        }
    }
    return h;
}
