/* Group norm, SiLU, convolution and attention of pictures, PIXEL samples last, on one core.
 *
 * Pictures are (rows, channels, height, width, PIXEL), single precision. `wide` ones have a frame of
 * zeros, of one pixel where the kernel has three by three. A network has `blocks` rows of samples and
 * weights of its own, `between` numbers from those of the next network.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Many at a time, of glibc's libmvec. */
extern float expf(float) __attribute__((simd("notinbranch"), const, nothrow));

#define PIXEL 32
#define INLINE static inline __attribute__((always_inline))

/* Numbers of a register, and outputs whose sums are all kept in registers. */
#ifdef __AVX512F__
enum { LANES = 16, MANY = 8 };
#else
enum { LANES = 8, MANY = 2 };
#endif
enum { VECTORS = PIXEL / LANES };

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4)));

/* Height and width are those of the input; kernels are (outputs, inputs, side, side), side 1 or 3. */
struct layer {
    int rows, blocks, inputs, outputs, height, width, stride, side, groups, between;
};

/* Numbers of a line and of a picture in its frame. */
INLINE long line_of(const struct layer *l)
{
    return (l->width + l->side - 1L) * PIXEL;
}

INLINE long plane_of(const struct layer *l)
{
    return (l->height + l->side - 1L) * line_of(l);
}

/* Outputs o .. o + many - 1 of a pixel, in registers. */
INLINE void tile(int many, int side, const float *x, long plane, long line, int inputs, const float *weight,
                 const float *bias, const float *shift, const float *beside, float *y, long next)
{
    vector sum[MANY][VECTORS];
    for (int o = 0; o < many; o++)
        for (int v = 0; v < VECTORS; v++) {
            sum[o][v] = (vector){0} + (bias ? bias[o] : 0.0f);
            if (shift)
                sum[o][v] += ((const vector *)(shift + o * PIXEL))[v];
            if (beside)
                sum[o][v] += ((const vector *)(beside + o * next))[v];
        }
    for (int c = 0; c < inputs; c++, x += plane)
        for (int dy = 0; dy < side; dy++)
            for (int dx = 0; dx < side; dx++) {
                const vector *from = (const vector *)(x + dy * line + dx * PIXEL);
#pragma GCC unroll 8
                for (int o = 0; o < many; o++) {
                    float w = weight[side * side * (inputs * o + c) + side * dy + dx];
#pragma GCC unroll 4
                    for (int v = 0; v < VECTORS; v++)
                        sum[o][v] += w * from[v];
                }
            }
#pragma GCC unroll 8
    for (int o = 0; o < many; o++)
        for (int v = 0; v < VECTORS; v++)
            ((vector *)(y + o * next))[v] = sum[o][v];
}

/* A row. `shifts` are (outputs, PIXEL), `beside` is like `out`; null: none. */
static void convolve(const float *wide, const float *weights, const float *biases, const float *shifts,
                     const float *beside, float *out, const struct layer *l)
{
    long line = line_of(l), plane = plane_of(l);
    int height = l->height / l->stride, width = l->width / l->stride, window = l->side * l->side * l->inputs;
    long next = (long)height * width * PIXEL;
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            const float *x = wide + l->stride * (i * line + j * PIXEL);
            long place = ((long)i * width + j) * PIXEL;
            int o = 0;
#define SIDED(many, side) \
    tile(many, side, x, plane, line, l->inputs, weights + window * o, biases ? biases + o : 0, \
         shifts ? shifts + o * PIXEL : 0, beside ? beside + place + o * next : 0, out + place + o * next, next)
#define TILE(many) (l->side == 3 ? SIDED(many, 3) : SIDED(many, 1))
            for (; o + MANY <= l->outputs; o += MANY)
                TILE(MANY);
            for (; o + MANY / 2 <= l->outputs; o += MANY / 2)
                TILE(MANY / 2);
            for (; o < l->outputs; o++)
                TILE(1);
#undef TILE
#undef SIDED
        }
}

INLINE float total(vector v)
{
    int __attribute__((vector_size(sizeof v))) own;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        own[i] = i;
#pragma GCC unroll 4
    for (int half = LANES / 2; half; half /= 2)
        v += __builtin_shuffle(v, own ^ half);
    return v[0];
}

/* Adds the gradients of the weights from one input to `many` outputs, a line of the kernel at a time. */
INLINE void products(int many, int side, const float *x, const float *gradient, float *weight,
                     const struct layer *l)
{
    int height = l->height / l->stride, width = l->width / l->stride;
    long line = line_of(l), next = (long)height * width * PIXEL;
    for (int dy = 0; dy < side; dy++, x += line, weight += side) {
        vector sum[4][3];
        for (int o = 0; o < many; o++)
            for (int k = 0; k < side; k++)
                sum[o][k] = (vector){0};
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width; j++)
                for (int v = 0; v < PIXEL; v += LANES) {
                    const float *from = x + l->stride * (i * line + j * PIXEL) + v;
                    const float *g = gradient + ((long)i * width + j) * PIXEL + v;
#pragma GCC unroll 4
                    for (int o = 0; o < many; o++) {
                        vector slope = *(const vector *)(g + o * next);
#pragma GCC unroll 3
                        for (int k = 0; k < side; k++)
                            sum[o][k] += slope * *(const vector *)(from + k * PIXEL);
                    }
                }
        for (int o = 0; o < many; o++)
            for (int k = 0; k < side; k++)
                weight[side * side * l->inputs * o + k] += total(sum[o][k]);
    }
}

static void weigh(const float *wide, const float *gradient, float *weights, const struct layer *l)
{
    long plane = plane_of(l), next = (long)(l->height / l->stride) * (l->width / l->stride) * PIXEL;
    for (int o = 0, many; o < l->outputs; o += many, gradient += many * next) {
        many = o + 4 <= l->outputs ? 4 : 1;
        for (int c = 0; c < l->inputs; c++) {
            const float *x = wide + c * plane;
            float *w = weights + l->side * l->side * (o * l->inputs + c);
            if (l->side == 3)
                many == 4 ? products(4, 3, x, gradient, w, l) : products(1, 3, x, gradient, w, l);
            else
                many == 4 ? products(4, 1, x, gradient, w, l) : products(1, 1, x, gradient, w, l);
        }
    }
}

static void zero(float *x, long count)
{
    memset(x, 0, sizeof(float) * count);
}

/* Pictures of this height and width in a frame, at stride 2 with zeros between their pixels too; null:
 * the frame alone. */
static void widen(const float *x, float *wide, int pictures, int height, int width, int stride)
{
    long line = (stride * width + 2L) * PIXEL, plane = (stride * height + 2L) * line;
    for (int p = 0; p < pictures; p++, wide += plane) {
        if (stride > 1)
            zero(wide, plane);
        zero(wide, line + PIXEL);
        for (int i = 1; i < stride * height; i++)
            zero(wide + (i + 1) * line - PIXEL, 2 * PIXEL);
        zero(wide + plane - line - PIXEL, line + PIXEL);
        if (!x)
            continue;
        int run = stride > 1 ? 1 : width;
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width; j += run, x += run * PIXEL)
                memcpy(wide + (1 + stride * i) * line + (1 + stride * j) * PIXEL, x, sizeof(float) * run * PIXEL);
    }
}

/* Group norm of a row in a frame, and SiLU of it where the kernel has three by three; `mean` and `scale`
 * are (groups, PIXEL). */
static void activate(const float *x, const float *weights, const float *biases, float *mean, float *scale,
                     float *wide, const struct layer *l)
{
    int channels = l->inputs / l->groups, edge = l->side / 2, pixels = l->height * l->width;
    int points = channels * pixels;
    long line = line_of(l), plane = plane_of(l);
    if (edge)
        widen(0, wide, l->inputs, l->height, l->width, 1);
    for (int g = 0; g < l->groups; g++, mean += PIXEL, scale += PIXEL, x += (long)points * PIXEL) {
        float centre[PIXEL] = {0}, size[PIXEL] = {0};
        for (int p = 0; p < points; p++)
            for (int j = 0; j < PIXEL; j++)
                centre[j] += x[p * PIXEL + j];
        for (int j = 0; j < PIXEL; j++)
            mean[j] = centre[j] /= points;
        for (int p = 0; p < points; p++)
            for (int j = 0; j < PIXEL; j++) {
                float off = x[p * PIXEL + j] - centre[j];
                size[j] += off * off;
            }
        for (int j = 0; j < PIXEL; j++)
            scale[j] = size[j] = 1.0f / sqrtf(size[j] / points + 1e-5f);
        for (int p = 0; p < points; p++) {
            int channel = g * channels + p / pixels, pixel = p % pixels;
            const float *from = x + p * PIXEL;
            float w = weights[channel], b = biases[channel];
            float *to = wide + channel * plane + (edge + pixel / l->width) * line
                        + (edge + pixel % l->width) * PIXEL;
            for (int j = 0; j < PIXEL; j++) {
                float y = w * (from[j] - centre[j]) * size[j] + b;
                to[j] = edge ? y / (1.0f + expf(-y)) : y;
            }
        }
    }
}

/* Back through SiLU and group norm; `gradient` is overwritten, those of weights are added up. */
static void activate_back(float *gradient, const float *x, const float *weights, const float *biases,
                          const float *mean, const float *scale, float *out, float *of_weights,
                          float *of_biases, const struct layer *l)
{
    int channels = l->inputs / l->groups, pixels = l->height * l->width, points = channels * pixels;
    for (int g = 0; g < l->groups; g++, mean += PIXEL, scale += PIXEL) {
        float plain[PIXEL] = {0}, along[PIXEL] = {0};
        for (int c = g * channels; c < (g + 1) * channels; c++) {
            float w = weights[c], b = biases[c], sums[PIXEL] = {0}, times[PIXEL] = {0};
            for (int p = c * pixels; p < (c + 1) * pixels; p++) {
                float *slope = gradient + (long)p * PIXEL;
                const float *from = x + (long)p * PIXEL;
                for (int j = 0; j < PIXEL; j++) {
                    float z = (from[j] - mean[j]) * scale[j], y = w * z + b;
                    float share = 1.0f / (1.0f + expf(-y));
                    float s = slope[j] *= l->side == 3 ? share * (1.0f + y * (1.0f - share)) : 1.0f;
                    sums[j] += s;
                    times[j] += s * z;
                }
            }
            for (int j = 0; j < PIXEL; j++) {
                of_biases[c] += sums[j];
                of_weights[c] += times[j];
                plain[j] += w * sums[j] / points;
                along[j] += w * times[j] / points;
            }
        }
        for (int p = g * points; p < (g + 1) * points; p++)
            for (int j = 0; j < PIXEL; j++) {
                long at = (long)p * PIXEL + j;
                float z = (x[at] - mean[j]) * scale[j];
                out[at] = scale[j] * (weights[p / pixels] * gradient[at] - plain[j] - along[j] * z);
            }
    }
}

/* The window as an input pixel sees it: turned by half a turn, inputs and outputs exchanged. */
static void turn(const float *weights, float *turned, const struct layer *l)
{
    int window = l->side * l->side;
    for (int c = 0; c < l->inputs; c++)
        for (int o = 0; o < l->outputs; o++)
            for (int k = window - 1; k >= 0; k--)
                *turned++ = weights[window * (o * l->inputs + c) + k];
}

/* y = convolution of x or, where there is a `gain`, of what `activate` makes of it. `statistics`
 * (rows, 2, groups, PIXEL) and `wide` are kept for the way back; x serves as `wide` where that is null. */
void forward(const float *x, const float *weights, const float *biases, const float *gain,
             const float *offset, const float *shifts, const float *beside, float *statistics, float *wide,
             float *y, const struct layer *l)
{
    long size = (long)l->inputs * l->height * l->width * PIXEL;
    long made = (long)l->outputs * (l->height / l->stride) * (l->width / l->stride) * PIXEL;
    for (int r = 0; r < l->rows; r++) {
        long own = (long)(r / l->blocks) * l->between;
        float *framed = wide ? wide + r * l->inputs * plane_of(l) : 0;
        float *mean = statistics + 2L * r * l->groups * PIXEL;
        if (gain)
            activate(x + r * size, gain + own, offset + own, mean, mean + l->groups * PIXEL, framed, l);
        else if (wide)
            widen(x + r * size, framed, l->inputs, l->height, l->width, 1);
        convolve(wide ? framed : x + r * size, weights + own, biases + own,
                 shifts ? shifts + (long)r * l->outputs * PIXEL : 0, beside ? beside + r * made : 0, y + r * made, l);
    }
}

/* Writes the gradients of x, unless null, and of shifts, and adds up those of weights. Returns 0 if there
 * was no memory. */
int backward(const float *gradient, const float *x, const float *weights, const float *gain,
             const float *offset, const float *statistics, const float *wide, float *of_x, float *of_shifts,
             float *of_weights, float *of_biases, float *of_gain, float *of_offset, const struct layer *l)
{
    int height = l->height / l->stride, width = l->width / l->stride, pixels = height * width;
    struct layer back = *l;
    back.inputs = l->outputs, back.outputs = l->inputs, back.stride = 1;
    long size = (long)l->inputs * l->height * l->width * PIXEL, framed = l->outputs * plane_of(&back);
    float *scratch = malloc(sizeof(float) * (size + framed + l->side * l->side * l->inputs * l->outputs));
    if (!scratch)
        return 0;
    float *spread = scratch + size, *turned = spread + framed;
    for (int r = 0; r < l->rows; r++, gradient += (long)l->outputs * pixels * PIXEL, x += size) {
        long own = (long)(r / l->blocks) * l->between;
        weigh(wide ? wide + r * l->inputs * plane_of(l) : x, gradient, of_weights + own, l);
        for (int o = 0; o < l->outputs; o++) {
            float sum[PIXEL] = {0};
            for (int p = o * pixels; p < (o + 1) * pixels; p++)
                for (int j = 0; j < PIXEL; j++)
                    sum[j] += gradient[(long)p * PIXEL + j];
            for (int j = 0; j < PIXEL; j++)
                of_biases[own + o] += sum[j];
            memcpy(of_shifts + ((long)r * l->outputs + o) * PIXEL, sum, sizeof sum);
        }
        if (!of_x)
            continue;
        turn(weights + own, turned, l);
        if (l->side == 3)
            widen(gradient, spread, l->outputs, height, width, l->stride);
        convolve(l->side == 3 ? spread : gradient, turned, 0, 0, 0, gain ? scratch : of_x + r * size, &back);
        const float *mean = statistics + 2L * r * l->groups * PIXEL;
        if (gain)
            activate_back(scratch, x, gain + own, offset + own, mean, mean + l->groups * PIXEL, of_x + r * size,
                          of_gain + own, of_offset + own, l);
    }
    free(scratch);
    return 1;
}

/* out[i, k] = sum over c of a[i, c] b[k, c], PIXEL samples each; steps between i, k and c are in pixels. */
INLINE void contract(const float *a, int i_of_a, int c_of_a, const float *b, int k_of_b, int c_of_b, float *out,
                     int first, int second, int terms)
{
    for (int i = 0; i < first; i++)
        for (int k = 0; k < second; k++, out += PIXEL) {
            float sum[PIXEL] = {0};
            for (int c = 0; c < terms; c++)
                for (int j = 0; j < PIXEL; j++)
                    sum[j] += a[(i * i_of_a + c * c_of_a) * PIXEL + j] * b[(k * k_of_b + c * c_of_b) * PIXEL + j];
            memcpy(out, sum, sizeof sum);
        }
}

/* Every pixel q sees the values of pixels k in shares (rows, q, k, PIXEL): the softmax of products of
 * queries and keys. Parts are (rows, 3, channels, pixels, PIXEL): queries, keys, values. */
void attend(const float *parts, float *shares, float *seen, int rows, int channels, int pixels)
{
    long size = (long)channels * pixels * PIXEL;
    float scale = 1.0f / sqrtf(channels);
    for (int r = 0; r < rows; r++, parts += 3 * size, seen += size) {
        const float *queries = parts, *keys = parts + size, *values = keys + size;
        contract(queries, 1, pixels, keys, 1, pixels, shares, pixels, pixels, channels);
        float *all = shares;
        for (int q = 0; q < pixels; q++, shares += (long)pixels * PIXEL) {
            float most[PIXEL], sum[PIXEL] = {0};
            memcpy(most, shares, sizeof most);
            for (int k = 1; k < pixels; k++)
                for (int j = 0; j < PIXEL; j++)
                    most[j] = shares[k * PIXEL + j] > most[j] ? shares[k * PIXEL + j] : most[j];
            for (int k = 0; k < pixels; k++)
                for (int j = 0; j < PIXEL; j++)
                    sum[j] += shares[k * PIXEL + j] = expf(scale * (shares[k * PIXEL + j] - most[j]));
            for (int k = 0; k < pixels; k++)
                for (int j = 0; j < PIXEL; j++)
                    shares[k * PIXEL + j] /= sum[j];
        }
        contract(values, pixels, 1, all, pixels, 1, seen, channels, pixels, pixels);
    }
}

/* The gradient of parts; `slopes` is scratch like the shares of a row. */
void attend_back(const float *gradient, const float *parts, const float *shares, float *slopes,
                 float *of_parts, int rows, int channels, int pixels)
{
    long size = (long)channels * pixels * PIXEL;
    float scale = 1.0f / sqrtf(channels);
    for (int r = 0; r < rows; r++, gradient += size, parts += 3 * size, of_parts += 3 * size) {
        const float *queries = parts, *keys = parts + size, *values = keys + size;
        contract(gradient, pixels, 1, shares, 1, pixels, of_parts + 2 * size, channels, pixels, pixels);
        contract(gradient, 1, pixels, values, 1, pixels, slopes, pixels, pixels, channels);
        for (int q = 0; q < pixels; q++, shares += (long)pixels * PIXEL) {
            float *slope = slopes + (long)q * pixels * PIXEL, mean[PIXEL] = {0};
            for (int k = 0; k < pixels; k++)
                for (int j = 0; j < PIXEL; j++)
                    mean[j] += shares[k * PIXEL + j] * slope[k * PIXEL + j];
            for (int k = 0; k < pixels; k++)
                for (int j = 0; j < PIXEL; j++)
                    slope[k * PIXEL + j] = scale * shares[k * PIXEL + j] * (slope[k * PIXEL + j] - mean[j]);
        }
        contract(keys, pixels, 1, slopes, pixels, 1, of_parts, channels, pixels, pixels);
        contract(queries, pixels, 1, slopes, 1, pixels, of_parts + size, channels, pixels, pixels);
    }
}
