/* The whole of the worker, with the reading half of the store alone: that this links says that it needs nothing of the
 * committer's. scripts/check-read-only looks at what it links. */
int main(void)
{
    return 0;
}
