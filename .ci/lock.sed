# Makes one machine's `pip freeze` a lock for every system (used by `make lock`).
s/^(torch==[^+]*)\+cpu$/\1/
# PyTorch's public build for Linux asks for this Triton by number; elsewhere there is none.
s/^triton==.*/triton==3.7.1; platform_system == "Linux"/
# No wheel for Linux on ARM.
s/^pye57==.*/&; platform_system != "Linux" or platform_machine == "x86_64"/
