// Compiler-like code: builds expression trees, hashes names, folds and walks with big switches.
#include "kernel.h"
typedef struct Node {
    struct Node *left, *right;
    uint32_t op, value;
} Node;
enum { kPool = 1 << 16, kBuckets = 4096 };
static Node pool[kPool];
static unsigned used;
static Node* buckets[kBuckets];
static Node* make(uint32_t op, uint32_t value, Node* left, Node* right) {
    const uint64_t h = mix(mix(op, value), mix((uint64_t)(left - pool), (uint64_t)(right - pool)));
    Node** slot = &buckets[h % kBuckets];
    for (int probes = 0; *slot && probes < 8; ++probes, slot = &buckets[(h + (unsigned)probes) % kBuckets]) {
        if ((*slot)->op == op && (*slot)->value == value && (*slot)->left == left && (*slot)->right == right) return *slot;
    }
    Node* node = &pool[used++ % kPool];
    *node = (Node){left, right, op, value};
    return *slot = node;
}
static Node* build(uint32_t* seed, int depth) {
    const uint32_t r = next_random(seed);
    if (depth == 0 || r % 7 == 0) return make(0, r & 63, pool, pool);
    Node* left = build(seed, depth - 1);
    Node* right = build(seed, depth - 1);
    return make(1 + r % 9, 0, left, right);
}
static uint32_t fold(const Node* n, int depth) {
    if (depth == 0) return n->value;
    switch (n->op) {
    case 0: return n->value;
    case 1: return fold(n->left, depth - 1) + fold(n->right, depth - 1);
    case 2: return fold(n->left, depth - 1) - fold(n->right, depth - 1);
    case 3: return fold(n->left, depth - 1) * fold(n->right, depth - 1);
    case 4: return fold(n->left, depth - 1) & fold(n->right, depth - 1);
    case 5: return fold(n->left, depth - 1) | fold(n->right, depth - 1);
    case 6: return fold(n->left, depth - 1) ^ fold(n->right, depth - 1);
    case 7: return fold(n->left, depth - 1) << (fold(n->right, depth - 1) & 31);
    case 8: return fold(n->left, depth - 1) >> (fold(n->right, depth - 1) & 31);
    default: return fold(n->left, depth - 1) ? fold(n->right, depth - 1) : 1;
    }
}
uint64_t kernel(void) {
    uint32_t seed = 77;
    uint64_t h = 0;
    for (int i = 0; i < 60000; ++i) {
        h = mix(h, fold(build(&seed, 8), 10));
    }
    return h;
}
