# Where everything goes that isn't a program: `make install` and the package, whose debian/ adds nothing to the places.
include(GNUInstallDirs)

# debian/rules says /lib/systemd/system, where Debian 12's debhelper looks; it is the same place.
set(HEIMDEX_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units go")
set(HEIMDEX_CONFIG_DIR /etc/heimdex CACHE PATH "Where the configuration goes")

file(GLOB units CONFIGURE_DEPENDS systemd/*.service systemd/*.slice systemd/*.target)
install(FILES ${units} DESTINATION ${HEIMDEX_UNIT_DIR})
foreach(kind sysusers tmpfiles)
    if(EXISTS ${PROJECT_SOURCE_DIR}/systemd/heimdex.${kind})
        install(FILES systemd/heimdex.${kind} DESTINATION lib/${kind}.d RENAME heimdex.conf)
    endif()
endforeach()
file(GLOB catalogs CONFIGURE_DEPENDS systemd/*.catalog)
if(catalogs)
    install(FILES ${catalogs} DESTINATION lib/systemd/catalog)
endif()

# A configuration that is there already is its owner's.
install(CODE "
    if(NOT EXISTS \"\$ENV{DESTDIR}${HEIMDEX_CONFIG_DIR}/heimdex.conf\")
        file(INSTALL \"${PROJECT_SOURCE_DIR}/etc/heimdex.conf\" DESTINATION \"${HEIMDEX_CONFIG_DIR}\"
             PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
    endif()
    file(MAKE_DIRECTORY \"\$ENV{DESTDIR}${HEIMDEX_CONFIG_DIR}/handlers.d\")")

# Laid out as here, so that their links hold.
file(GLOB documents CONFIGURE_DEPENDS docs/*.md)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/heimdex)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/heimdex/docs)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/heimdex/examples USE_SOURCE_PERMISSIONS)

# One file for all programs: bash-completion looks for it by the name of the program.
set(completions ${CMAKE_INSTALL_FULL_DATADIR}/bash-completion/completions)
install(FILES completions/heimdex.bash DESTINATION ${completions} RENAME heimdexctl)
foreach(program heimdex-submit heimdex-migrate heimdex-supervisor heimdex-worker heimdex-scheduler heimdex-broker)
    install(CODE "file(CREATE_LINK heimdexctl \"\$ENV{DESTDIR}${completions}/${program}\" SYMBOLIC)")
endforeach()
