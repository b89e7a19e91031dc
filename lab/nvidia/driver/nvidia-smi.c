/*
 * Stand-in for nvidia-smi: the two questions that are asked of it here, with the words and exit codes of NVIDIA's.
 *   nvidia-smi -L
 *   nvidia-smi --query-gpu=driver_version,uuid --format=csv,noheader
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { NO_COMMUNICATION = 9, NO_LIBRARY = 12, BAD_ARGUMENT = 2, NO_DEVICES = 6 };

int main(int argc, char **argv)
{
    int list = argc == 2 && strcmp(argv[1], "-L") == 0;
    int query = argc == 3 && strcmp(argv[1], "--query-gpu=driver_version,uuid") == 0;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    char version[80], uuid[96], name[96];
    unsigned int count;
    void *gpu;

    if (!library) {
        puts("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. (stand-in)");
        return NO_LIBRARY;
    }
    int (*init)(void) = dlsym(library, "nvmlInit_v2");
    int (*get_version)(char *, unsigned int) = dlsym(library, "nvmlSystemGetDriverVersion");
    int (*get_count)(unsigned int *) = dlsym(library, "nvmlDeviceGetCount_v2");
    int (*get_gpu)(unsigned int, void **) = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
    int (*get_uuid)(void *, char *, unsigned int) = dlsym(library, "nvmlDeviceGetUUID");
    int (*get_name)(void *, char *, unsigned int) = dlsym(library, "nvmlDeviceGetName");

    if (init() != 0) {
        puts("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
             "Make sure that the latest NVIDIA driver is installed and running. (stand-in)");
        return NO_COMMUNICATION;
    }
    if (!list && !query) {
        puts("Invalid combination of input arguments. (stand-in)");
        return BAD_ARGUMENT;
    }
    get_version(version, sizeof version);
    get_count(&count);
    if (count == 0) {
        puts("No devices were found");
        return NO_DEVICES;
    }
    for (unsigned int index = 0; index < count; index++) {
        get_gpu(index, &gpu);
        get_uuid(gpu, uuid, sizeof uuid);
        get_name(gpu, name, sizeof name);
        if (list)
            printf("GPU %u: %s (UUID: %s)\n", index, name, uuid);
        else
            printf("%s, %s\n", version, uuid);
    }
    return 0;
}
