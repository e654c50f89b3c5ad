// Does units of about a millisecond of work each, and tells when each was done.
// usage: warmup UNITS START; START is a CLOCK_MONOTONIC time in nanoseconds. Prints a checksum and then, after the last
// unit, the nanoseconds from START to the end of each unit.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS = 4000, BUCKETS = 1024, BODIES = 8 };

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint32_t random_state = 12345;
static uint32_t next_random(void) { return (random_state = random_state * 1664525u + 1013904223u) >> 8; }

static int by_value(const void* a, const void* b) {
    const uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
    return (x > y) - (x < y);
}
static uint64_t sort(void) {
    uint32_t words[WORDS];
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; ++i) words[i] = next_random();
    qsort(words, WORDS, sizeof words[0], by_value);
    for (int i = 0; i < WORDS; i += 100) sum = sum * 31 + words[i];
    return sum;
}

// Text to keys in a table with chains.
struct entry {
    struct entry* next;
    char key[16];
    unsigned count;
};
static uint64_t hash(void) {
    static struct entry pool[2 * BUCKETS];
    struct entry* table[BUCKETS] = {NULL};
    unsigned used = 0, longest = 0;
    for (int i = 0; i < 3000; ++i) {
        char key[16];
        const uint32_t number = next_random() % 1500;
        int length = 0;
        for (uint32_t rest = number * number + 7; rest != 0; rest /= 10) key[length++] = (char)('0' + rest % 10);
        key[length] = 0;
        uint32_t h = 2166136261u;
        for (const char* c = key; *c != 0; ++c) h = (h ^ (uint8_t)*c) * 16777619u;
        struct entry** place = &table[h % BUCKETS];
        while (*place != NULL && strcmp((*place)->key, key) != 0) place = &(*place)->next;
        if (*place == NULL) {
            *place = &pool[used++];
            (*place)->next = NULL;
            (*place)->count = 0;
            memcpy((*place)->key, key, sizeof key);
        }
        if (++(*place)->count > longest) longest = (*place)->count;
    }
    return used * 1000 + longest;
}

// The number of primes below a limit, as bytecode for registers.
enum { LOAD, ADD, MUL, MOD, LESS, JUMP_IF_ZERO, JUMP, HALT };
enum { PRIMES, N, ONE, LIMIT, D, SQUARE, FLAG, REST, REGISTERS };
struct instruction {
    uint8_t operation, to, a, b;
    int32_t value; // or where to jump
};
static uint64_t interpret(void) {
    static const struct instruction code[] = {
        {LOAD, N, 0, 0, 2}, {LOAD, ONE, 0, 0, 1}, {LOAD, LIMIT, 0, 0, 2200},
        /* 3: next N */ {LOAD, D, 0, 0, 2},
        /* 4: next D */ {MUL, SQUARE, D, D, 0}, {LESS, FLAG, N, SQUARE, 0}, {JUMP_IF_ZERO, 0, FLAG, 0, 9},
        {ADD, PRIMES, PRIMES, ONE, 0}, {JUMP, 0, 0, 0, 13},
        /* 9 */ {MOD, REST, N, D, 0}, {JUMP_IF_ZERO, 0, REST, 0, 13}, {ADD, D, D, ONE, 0}, {JUMP, 0, 0, 0, 4},
        /* 13 */ {ADD, N, N, ONE, 0}, {LESS, FLAG, N, LIMIT, 0}, {JUMP_IF_ZERO, 0, FLAG, 0, 17}, {JUMP, 0, 0, 0, 3},
        /* 17 */ {HALT, 0, 0, 0, 0},
    };
    uint32_t r[REGISTERS] = {0};
    for (const struct instruction* pc = code;; ++pc) {
        switch (pc->operation) {
        case LOAD: r[pc->to] = (uint32_t)pc->value; break;
        case ADD: r[pc->to] = r[pc->a] + r[pc->b]; break;
        case MUL: r[pc->to] = r[pc->a] * r[pc->b]; break;
        case MOD: r[pc->to] = r[pc->a] % r[pc->b]; break;
        case LESS: r[pc->to] = r[pc->a] < r[pc->b]; break;
        case JUMP_IF_ZERO:
            if (r[pc->a] != 0) break;
            // fall through
        case JUMP: pc = code + pc->value - 1; break;
        case HALT: return r[PRIMES];
        }
    }
}

// Bodies that attract each other.
struct body {
    double x[3], v[3], mass;
};
static struct body bodies[BODIES];
static uint64_t attract(void) {
    for (int step = 0; step < 1000; ++step) {
        for (int i = 0; i < BODIES; ++i) {
            for (int j = 0; j < i; ++j) {
                double d[3], square = 0.01;
                for (int k = 0; k < 3; ++k) {
                    d[k] = bodies[i].x[k] - bodies[j].x[k];
                    square += d[k] * d[k];
                }
                const double pull = 0.001 / (square * sqrt(square));
                for (int k = 0; k < 3; ++k) {
                    bodies[i].v[k] -= d[k] * bodies[j].mass * pull;
                    bodies[j].v[k] += d[k] * bodies[i].mass * pull;
                }
            }
        }
        for (int i = 0; i < BODIES; ++i) {
            for (int k = 0; k < 3; ++k) bodies[i].x[k] += 0.001 * bodies[i].v[k];
        }
    }
    uint64_t bits;
    memcpy(&bits, &bodies[0].x[0], sizeof bits);
    return bits;
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const unsigned long units = strtoul(argv[1], NULL, 10);
    const uint64_t start = strtoull(argv[2], NULL, 10);
    uint64_t* const done = calloc(units, sizeof done[0]);
    uint64_t sum = 0;
    for (int i = 0; i < BODIES; ++i) {
        for (int k = 0; k < 3; ++k) bodies[i].x[k] = next_random() % 1000 * 0.001;
        bodies[i].mass = 1.0 + i;
    }
    for (unsigned long i = 0; i < units; ++i) {
        sum = sum * 31 + sort();
        sum = sum * 31 + hash();
        sum = sum * 31 + interpret();
        sum = sum * 31 + attract();
        done[i] = now() - start;
    }
    printf("%016llx\n", (unsigned long long)sum);
    for (unsigned long i = 0; i < units; ++i) printf("%llu\n", (unsigned long long)done[i]);
    return 0;
}
